"""The archives that an endpoint keeps: copies below its directory, which nothing that is done to the originals harms.

Its front makes them, before it starts what is in them, so that a large archive keeps nobody waiting who only commands.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

from tintype.errors import NotFound
from tintype.serving.endpoints.config import EndpointConfig
from tintype.storage import CHUNK_BYTES, atomic_file, storage_errors

ATTEMPTS = 3                    # at an archive that somebody writes to


@final
@dataclass(frozen=True)
class KeptModels:
    """The copies below one folder."""

    root: Path

    async def keep(self, config: EndpointConfig) -> EndpointConfig:
        """The same configuration over copies of its archives; what is no file stays what it is.

        An archive that has not changed since it was last kept has the same copy, so that its variant goes on running.
        Raises `NotFound`, `StorageFailed`. When it is cancelled, no half of a copy is left.
        """
        document = config.model_dump(mode="json")
        for one in (*document["variants"], *document["shadows"]):
            for key in ("archive", "code"):
                given = one["model"][key]
                if given and Path(given).is_file():
                    one["model"][key] = str(await self._kept(Path(given)))
        return EndpointConfig.from_json(document)

    def forget(self, *used: EndpointConfig | None) -> None:
        """Remove the archives that none of these configurations has."""
        models = [one.model for config in used if config for one in (*config.variants, *config.shadows)]
        folders = {Path(path).parent.name for one in models for path in (one.archive, one.code)}
        if self.root.is_dir():
            for folder in self.root.iterdir():
                if folder.name not in folders:
                    shutil.rmtree(folder, ignore_errors=True)

    async def _kept(self, path: Path) -> Path:
        given_up = threading.Event()
        try:
            return await asyncio.to_thread(self._copied, path, given_up)
        except asyncio.CancelledError:
            given_up.set()
            raise

    def _copied(self, path: Path, given_up: threading.Event) -> Path:
        """A copy, below a folder that is named after what tells one state of a file from another."""
        if path.is_relative_to(self.root):
            return path
        for _ in range(ATTEMPTS):
            state = _state_of(path)
            copy = self.root / state / path.name
            if not copy.exists():
                shutil.rmtree(copy.parent, ignore_errors=True)      # what a front that was killed has left of it
                with _opened(path) as source, storage_errors(copy), atomic_file(copy) as target:
                    while chunk := source.read(CHUNK_BYTES):
                        if given_up.is_set():
                            raise NotFound(f"{path} is not wanted any more")
                        target.write(chunk)
            if _state_of(path) == state:
                return copy
            shutil.rmtree(copy.parent, ignore_errors=True)      # it has two halves, perhaps
        raise NotFound(f"the model archive {path} changes all the time; wait until it is whole, and update again")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise NotFound(f"the model archive {path} cannot be read: {error.strerror}") from error


def _state_of(path: Path) -> str:
    try:
        found = path.stat()
    except OSError as error:
        raise NotFound(f"there is no model archive {path} any more: {error.strerror}") from error
    return f"{found.st_dev:x}-{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"
