"""What is to be served and where, and the start of a server for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from tintype.models.archive import open_archive
from tintype.serving.endpoint import Endpoint, ServerDirectory
from tintype.serving.process import ProcessIdentity, State, spawn
from tintype.serving.settings import ServerSettings
from tintype.storage import storage_errors


@final
@dataclass(frozen=True)
class Deployment:
    """What to serve, where. Others than loopback hosts need a `token`."""

    name: str
    archive: Path                       # a model.tar.gz
    directory: Path                     # for the endpoint's files; each start makes a folder of its own in it
    host: str = "127.0.0.1"
    port: int = 0                       # 0: a free one
    token: str | None = None            # callers must send it as a bearer token
    server: ServerSettings = field(default_factory=ServerSettings)


def launch(wanted: Deployment, files: ServerDirectory) -> subprocess.Popen[bytes]:
    """Unpack the archive, check it, and start a server on it. Raises `NotFound`, `BadArchive`, `StorageFailed`."""
    with storage_errors(files.root):
        files.root.mkdir(parents=True)
    open_archive(wanted.archive, files.model)
    command = [sys.executable, "-P", "-m", "tintype.serving", "--name", wanted.name, "--archive", str(files.model)]
    command += ["--host", wanted.host, "--port", str(wanted.port), "--state", str(files.state)]
    if wanted.token:
        write_secret(files.token, wanted.token)         # not on the command line, which everybody can read
        command += ["--token-file", str(files.token)]
    return spawn([*command, *wanted.server.arguments()], files.root, files.log)


def write_secret(path: Path, secret: str) -> None:
    """A new file that only its owner can read."""
    with storage_errors(path), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(secret)


def processes_of(endpoint: Endpoint) -> set[ProcessIdentity]:
    """The server's process, as the record has it and as the server says itself: a start may be cut off in between."""
    state = State.read(endpoint.files.state)
    return {one for one in (endpoint.server, state.process if state else None) if one is not None}


def remove_files(files: ServerDirectory) -> None:
    """Remove a server's directory, and the endpoint's when nothing else is in it."""
    shutil.rmtree(files.root, ignore_errors=True)
    with contextlib.suppress(OSError):                  # not empty, or not there
        files.root.parent.rmdir()
