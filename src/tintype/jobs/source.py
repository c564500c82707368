"""A job's code: copied, unpacked or fetched into `code/`, and its entry point looked at before anything starts.

The source is a folder, a tar archive as the SageMaker SDK makes them, or the URL of either; without one, the entry
point's own file is all there is. What kind of entry point it is follows sagemaker-training: `*.sh` and anything that is
not Python is a command, a folder with `setup.py` is a package whose entry point is run as a module, else a script.
"""

from __future__ import annotations

import ast
import errno
import os
import shutil
import stat
import warnings
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import final

from tintype.errors import BadArchive, InvalidRequest, NotFound, not_found
from tintype.extraction import extract, is_archive
from tintype.storage import FULL_DISK, fetch, is_url, local_path, scratch_directory, storage_errors

NOT_COPIED = frozenset({".git", "__pycache__", ".ipynb_checkpoints"})
UNFINISHED = ".code."
COMPLETE = ".tintype-source"            # beside code/: which source is in it, whole


class EntryKind(StrEnum):
    """How an entry point is run."""

    SCRIPT = "script"           # python entry.py
    PACKAGE = "package"         # python -m entry
    COMMAND = "command"         # /bin/sh entry.sh, or the file itself


@final
@dataclass(frozen=True)
class Program:
    """What is to be run in `code/`: the entry point's name there, and how."""

    entry_point: str
    kind: EntryKind

    @property
    def module(self) -> str:
        """The name that `python -m` takes."""
        return self.entry_point.removesuffix(".py").replace("/", ".")


def check_source(entry_point: str, source_dir: str) -> None:
    """What can be known of a local source before the job is accepted. Raises `InvalidRequest` or `NotFound`.

    A source elsewhere, and one in an archive, is looked at when it has been unpacked.
    """
    location = local_path(source_dir) if source_dir else None
    if not source_dir and not is_url(entry_point):
        path = Path(entry_point).expanduser()
        check_program(path.parent, path.name)
    elif location is not None and not location.exists():
        raise NotFound(f"there is no source folder or archive {source_dir}")
    elif location is not None and location.is_dir():
        check_program(location, _relative(entry_point, location))


def place_source(entry_point: str, source_dir: str, code: Path) -> Program:
    """Put the source into the folder `code` and return what is to be run there.

    A second attempt finds the code in place and leaves it. Raises `NotFound`, `InvalidRequest`, `BadArchive`,
    `StorageFailed`; then `code` is as it was.
    """
    marker = code.parent / COMPLETE
    if not marker.exists():
        single = None if source_dir else local_path(entry_point)
        if single is not None:
            _copy_file(single, code)
        else:
            _replace(entry_point, source_dir, code)
        with storage_errors(marker):
            marker.write_text(f"{source_dir or entry_point}\n")
    return check_program(code, entry_name(entry_point, source_dir))


def entry_name(entry_point: str, source_dir: str) -> str:
    """The entry point's path in `code/`: relative to the source folder, or the bare file name without one."""
    location = local_path(source_dir) if source_dir else None
    if not source_dir:
        return entry_point.rstrip("/").rsplit("/", 1)[-1]
    return _relative(entry_point, location or Path("/"))


def check_program(code: Path, entry_point: str) -> Program:
    """The program in the folder `code`, after a look at it.

    Raises `NotFound` naming what is there instead, `InvalidRequest` for an empty file, a file that is not text, and a
    script that is no Python, with the line.
    """
    path = code / entry_point
    is_package = (code / "setup.py").is_file() and not entry_point.endswith(".sh")
    if is_package and not path.is_file():
        named = code.joinpath(*entry_point.removesuffix(".py").split("."))      # `-m package.module`
        path = next((one for one in (named.with_suffix(".py"), named / "__main__.py") if one.is_file()), path)
    if not path.is_file():
        here = [str(one.relative_to(code)) for one in [*code.glob("*.py"), *code.glob("*.sh"), *code.glob("*/*.py")]]
        if not here:
            raise NotFound(f"there is no entry point named {entry_point!r} in {code.absolute()}, nor any other script")
        raise not_found("entry point", entry_point, here)
    if path.suffix == ".py":
        check_python(path, path.relative_to(code).as_posix())
        return Program(entry_point, EntryKind.PACKAGE if is_package else EntryKind.SCRIPT)
    _check_command(path, entry_point)
    return Program(entry_point, EntryKind.COMMAND)


def check_python(path: Path, shown: str) -> None:
    """`InvalidRequest` when the file at `path` does not parse: file, line, the line's text, and what is wrong."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"the entry point {shown} cannot be read: {error.strerror}") from error
    if not content.strip():
        raise InvalidRequest(f"the entry point {shown} is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")             # an invalid escape in a regex is no error
            ast.parse(content, filename=shown)
    except SyntaxError as error:
        text = (error.text or "").strip()
        quoted = f": {text!r}" if text else ""
        kind = type(error).__name__
        raise InvalidRequest(f"{kind} in {shown}, line {error.lineno}: {error.msg}{quoted}; correct it") from error
    except (ValueError, RecursionError, MemoryError) as error:         # NUL bytes; thousands of brackets
        raise InvalidRequest(f"the entry point {shown} is not Python: {error}") from error


def _check_command(path: Path, shown: str) -> None:
    with path.open("rb") as stream:
        start = stream.read(1024)
    is_program = start.startswith((b"#!", b"\x7fELF"))
    if not is_program and (b"\0" in start or path.suffix != ".sh"):
        raise InvalidRequest(
            f"the entry point {shown} is neither Python nor a shell script; name a .py or a .sh file, "
            "or begin it with a line such as #!/bin/bash"
        )
    if not start.strip():
        raise InvalidRequest(f"the entry point {shown} is empty")


def _relative(entry_point: str, source_dir: Path) -> str:
    path = Path(entry_point)
    if path.is_absolute():
        try:
            path = path.resolve().relative_to(source_dir.expanduser().resolve())
        except ValueError as error:
            outside = f"the entry point {entry_point} is not inside the source folder {source_dir}"
            raise InvalidRequest(outside) from error
    if ".." in path.parts:
        raise InvalidRequest(f"the entry point {entry_point} leaves the source folder; name a file inside it")
    return path.as_posix()


def _copy_file(script: Path, code: Path) -> None:
    if not script.is_file():
        raise NotFound(f"there is no entry point {script}")
    if not os.access(script, os.R_OK):
        raise InvalidRequest(f"the entry point {script} may not be read by this user")
    with storage_errors(code):
        code.mkdir(parents=True, exist_ok=True)
        shutil.copy2(script, code / script.name)


def _replace(entry_point: str, source_dir: str, code: Path) -> None:
    for leftover in code.parent.glob(f"{UNFINISHED}*"):         # of an attempt that was killed while it copied
        shutil.rmtree(leftover, ignore_errors=True)
    with scratch_directory(code.parent, UNFINISHED) as scratch:
        filled = _fill(entry_point, source_dir, scratch / "code", code)
        with storage_errors(code):
            shutil.rmtree(code, ignore_errors=True)
            os.rename(filled, code)


def _fill(entry_point: str, source_dir: str, filled: Path, code: Path) -> Path:
    location = source_dir or entry_point
    local = local_path(location)
    if local is None:
        local = fetch(location, filled.parent / "fetched")
    if local.is_dir():
        _copy_tree(local, filled, code)
    elif not local.is_file():
        raise NotFound(f"there is no {'source' if source_dir else 'entry point'} {location}")
    elif source_dir:
        if not is_archive(local):
            raise BadArchive(f"the source {location} is neither a folder nor a .tar.gz or .zip archive")
        extract(local, filled)
    else:
        with storage_errors(filled):
            filled.mkdir()
            shutil.copy2(local, filled / local.name)
    return filled


def _copy_tree(source: Path, filled: Path, code: Path) -> None:
    """Copy, following links as the SDK's tar does, but not into a folder that the job itself is in."""

    def ignored(folder: str, names: list[str]) -> list[str]:
        here = Path(folder)
        return [
            name for name in names
            if name in NOT_COPIED
            or code.is_relative_to((here / name).resolve())         # the --home is below the source folder
            or _is_special(here / name)
            or _is_loop(here / name)
        ]  # fmt: skip

    code = code.resolve()
    with storage_errors(filled):
        try:
            shutil.copytree(source, filled, ignore=ignored, ignore_dangling_symlinks=True)
        except shutil.Error as error:       # it goes on past failures, and lists them
            path, _, reason = error.args[0][0]
            if any(f"[Errno {number}]" in reason for number in FULL_DISK):
                raise OSError(errno.ENOSPC, reason) from error
            raise InvalidRequest(f"the source file {path} cannot be copied: {reason}") from error


def _is_special(path: Path) -> bool:
    """A pipe or a device: reading it would never end."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False                # a dangling link, which the copy ignores itself
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _is_loop(path: Path) -> bool:
    return path.is_symlink() and path.is_dir() and path.parent.resolve().is_relative_to(path.resolve())
