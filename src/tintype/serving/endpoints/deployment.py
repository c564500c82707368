"""What is to be served and where, and the start of a server for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from tintype.errors import BadArchive, InvalidRequest, NotFound
from tintype.serving.endpoints.config import EndpointConfig, ModelSource, ProductionVariant
from tintype.serving.endpoints.endpoint import Endpoint, ServerDirectory, Variant
from tintype.serving.endpoints.process import POLL_SECONDS, ProcessIdentity, State, spawn, stop
from tintype.serving.front.listening import is_free
from tintype.serving.settings import ServerSettings
from tintype.storage import local_path, read_json, storage_errors, write_json

PORT_SECONDS = 2.0
KILL_AFTER_SECONDS = 5.0                # beyond the time that the server allows itself for draining


@final
@dataclass(frozen=True)
class Deployment:
    """What to serve, where. Others than loopback hosts need a `token`."""

    name: str
    archive: Path | None                # a model.tar.gz or an unpacked one, when that is all; None: `config` says it
    directory: Path                     # for the endpoint's files; each start makes a folder of its own in it
    host: str = "127.0.0.1"
    port: int = 0                       # 0: a free one
    token: str | None = None            # callers must send it as a bearer token
    server: ServerSettings = field(default_factory=ServerSettings)
    config: EndpointConfig | None = None
    workers: int = 1                    # of the only variant, with `archive`
    environments: Path | None = None    # where what scripts require is kept between starts

    @property
    def wanted(self) -> EndpointConfig:
        """All variants. `InvalidRequest` when neither an archive nor a configuration was given."""
        if self.config is not None:
            return self.config
        if self.archive is None:
            raise InvalidRequest(f"endpoint {self.name!r} needs a model; give an archive")
        source = ModelSource(archive=str(self.archive))
        return EndpointConfig(variants=(ProductionVariant(model=source, workers=self.workers),))


def check_models(config: EndpointConfig) -> None:
    """Raise `NotFound` or `BadArchive` for a model that can be seen from here to be none."""
    for one in (*config.variants, *config.shadows):
        path = Path(one.model.archive)
        if path.is_dir() or (not one.model.archive and one.model.code):
            continue
        if not path.is_file():
            raise NotFound(f"there is no model archive {path}")
        refuse_no_archive(path)


def refuse_no_archive(path: Path) -> None:
    """Raise `BadArchive` for a file that can be seen to be none; a folder may be anything."""
    if path.is_file() and not (tarfile.is_tarfile(path) or zipfile.is_zipfile(path)):
        raise BadArchive(f"{path} is no archive; give a model.tar.gz, or the folder that one was unpacked to")


def located(config: EndpointConfig) -> EndpointConfig:
    """The same configuration with paths that mean the same in every process's folder."""
    document = config.model_dump(mode="json")
    for one in (*document["variants"], *document["shadows"]):
        for key in ("archive", "code"):
            given = one["model"][key]
            one["model"][key] = str(Path(given).absolute()) if given else ""
    if config.capture and config.capture.directory and (folder := local_path(config.capture.directory)):
        document["capture"]["directory"] = str(folder.absolute())
    return EndpointConfig.from_json(document)


def variants_of(config: EndpointConfig) -> tuple[Variant, ...]:
    """What a record says of the variants."""
    return (
        *(Variant(one.name, one.model.archive, one.weight, one.workers) for one in config.variants),
        *(Variant(one.name, one.model.archive, 0.0, one.workers, shadow=True) for one in config.shadows),
    )


def place(wanted: Deployment, config: EndpointConfig, files: ServerDirectory) -> None:
    """Make the endpoint's directory: what is wanted of it, and how its server is started."""
    with storage_errors(files.root):
        files.root.mkdir(parents=True)
        files.root.chmod(0o700)                         # what is captured is nobody else's affair
    if wanted.token:
        write_secret(files.token, wanted.token)         # not on the command line, which everybody can read
    files.wishes.wish(located(config))
    arguments = ["--name", wanted.name, "--endpoint", str(files.root), "--host", wanted.host]
    arguments += ["--port", str(wanted.port), "--state", str(files.state)]
    if wanted.token:
        arguments += ["--token-file", str(files.token)]
    if wanted.environments:
        arguments += ["--environments", str(wanted.environments)]
    write_json(files.command, [*arguments, *wanted.server.arguments()])


def launch(files: ServerDirectory, port: int = 0, host: str = "") -> subprocess.Popen[bytes]:
    """Start the server of a directory that `place` made; at that `port` again when it is free, or will be soon."""
    arguments: list[str] = read_json(files.command)
    if port and _will_be_free(host, port):
        arguments += ["--port", str(port)]              # the last one counts
    arguments += ["--log", str(files.log)]              # what is said before that is opened goes there as well
    with contextlib.suppress(FileNotFoundError):
        files.state.unlink()                            # of an earlier server
    return spawn([sys.executable, "-P", "-m", "tintype.serving", *arguments], files.root, files.log)


def _will_be_free(host: str, port: int) -> bool:
    """What was left of a killed server has the port for a moment."""
    deadline = time.monotonic() + PORT_SECONDS
    while not is_free(host, port):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def write_secret(path: Path, secret: str) -> None:
    """A new file that only its owner can read."""
    with storage_errors(path), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(secret)


def processes_of(endpoint: Endpoint) -> set[ProcessIdentity]:
    """The server's process, as the record has it and as the server says itself: a start may be cut off in between."""
    state = State.read(endpoint.files.state)
    return {one for one in (endpoint.server, state.process if state else None) if one is not None}


def clear_away(directory: Path) -> None:
    """Stop the servers below an endpoint's directory and remove their files, without its record: for when that cannot
    be read or written, as the files have filled the disk. Its deletion goes on from there."""
    for root in directory.glob("server-*"):
        files = ServerDirectory(root)
        state = State.read(files.state)
        if state:
            stop(state.process, ServerSettings().drain_seconds + KILL_AFTER_SECONDS)
        remove_files(files)


def remove_files(files: ServerDirectory) -> None:
    """Remove a server's directory, and the endpoint's when nothing else is in it."""
    shutil.rmtree(files.root, ignore_errors=True)
    with contextlib.suppress(OSError):                  # not empty, or not there
        files.root.parent.rmdir()
