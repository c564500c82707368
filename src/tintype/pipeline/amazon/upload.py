"""Source and data on their way to the bucket."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from tintype import __version__
from tintype.errors import InvalidRequest, NotFound
from tintype.jobs.source import NOT_COPIED, check_source
from tintype.pipeline.amazon.account import amazons_errors
from tintype.pipeline.amazon.remote import Remote
from tintype.storage import is_url, local_path

Told = Callable[[str, int, int], None]

TRAINER_ENTRY = "train_images.py"
TRAINER = '''"""Tintype's trainer in a container of SageMaker's."""

import sys

from tintype.training.container import main

sys.exit(main())
'''


def upload_source(remote: Remote, prefix: str, entry_point: str, source_dir: str) -> tuple[str, str]:
    """Pack a script as the SDK does, and upload it. Returns the program's name in it, and its URI."""
    check_source(entry_point, source_dir)
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "sourcedir.tar.gz"
        with tarfile.open(archive, "w:gz") as bundle:
            folder = local_path(source_dir) if source_dir else None
            if source_dir and (folder is None or not folder.is_dir()):
                raise InvalidRequest(f"--source-dir is a folder when a job is sent to SageMaker, got {source_dir}")
            if folder is None:
                script = Path(entry_point).expanduser()
                bundle.add(script, script.name)
                program = script.name
            else:
                bundle.add(folder, "", filter=lambda member: None if _is_left_out(member.name) else member)
                program = os.path.relpath(folder / entry_point, folder)
        return program, _put(remote, archive, f"{prefix}/source/sourcedir.tar.gz")


def upload_trainer(remote: Remote, prefix: str) -> tuple[str, str]:
    """A script that installs this version of Tintype and runs its trainer."""
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / TRAINER_ENTRY).write_text(TRAINER)
        (Path(scratch) / "requirements.txt").write_text(f"tintype=={__version__}\n")
        return upload_source(remote, prefix, TRAINER_ENTRY, scratch)


def upload_data(remote: Remote, prefix: str, location: str, told: Told) -> str:
    """Upload a file or a folder below `prefix`, and return its URI; an s3:// URI is itself."""
    if location.startswith("s3://"):
        return location
    path = local_path(location)
    if path is None or is_url(location) or not path.exists():
        raise NotFound(f"there is nothing at {location}; a channel is a folder, a file, or an s3:// URI")
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for number, file in enumerate(files, 1):
        name = file.name if path.is_file() else file.relative_to(path).as_posix()
        _put(remote, file, f"{prefix}/{name}")
        told(f"upload {path.name}", number, len(files))
    return f"s3://{remote.bucket}/{prefix}"


def _put(remote: Remote, file: Path, key: str) -> str:
    with amazons_errors():
        remote.s3.upload_file(str(file), remote.bucket, key)
    return f"s3://{remote.bucket}/{key}"


def _is_left_out(name: str) -> bool:
    return any(part in NOT_COPIED for part in name.split("/"))
