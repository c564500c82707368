"""A job's checkpoints at its checkpoint URL: copied as they change while it runs, and once more at its end.

So a job that is lost with its machine goes on elsewhere from what it saved a few seconds before. A file that has stayed
the same between two looks is copied aside first and sent only if it did not change meanwhile: what arrives was never
half written. Files go in the order in which they were written, so one that names the newest comes after it. What the
script deletes stays at the URL, as on SageMaker.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, final

from tintype.errors import StorageFailed
from tintype.jobs.packing import publish
from tintype.storage import clone_file, scratch_directory, storage_errors


class Version(NamedTuple):
    """What changes when a file does; the oldest sorts first."""

    written_ns: int
    size: int
    inode: int


Look = Mapping[str, Version]        # by the name below the folder


@final
class CheckpointMirror:
    """`start` it when the script is, `finish` it when that has ended. `report` is called from its own thread."""

    def __init__(self, folder: Path, aside: Path, url: str, seconds: float, report: Callable[[str], None]) -> None:
        self._folder = folder
        self._aside = aside                     # where copies are made, which the script does not look at
        self._url = url
        self._seconds = seconds                 # between two looks
        self._report = report
        self._seen: Look = {}
        self._sent: dict[str, Version] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="checkpoints", daemon=True)

    def start(self) -> None:
        """Copy what changes from now on."""
        self._thread.start()

    def finish(self) -> None:
        """Copy all that is not there yet, whatever became of the script. Raises `StorageFailed`."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        now = look(self._folder)
        self._send(now, now)

    def _watch(self) -> None:
        last = ""
        while not self._over.wait(self._seconds):
            try:
                now = look(self._folder)
                self._send(self._seen, now)
                self._seen, last = now, ""
            except StorageFailed as error:      # it is tried again; the log need not say so each time
                if str(error) != last:
                    last = str(error)
                    self._report(f"warning: {error}; it is tried again")

    def _send(self, before: Look, now: Look) -> None:
        for name in due(before, now, self._sent):
            if self._send_one(name, now[name]):
                self._sent[name] = now[name]

    def _send_one(self, name: str, version: Version) -> bool:
        """False, and nothing is sent, when the file is not as it was."""
        with scratch_directory(self._aside, ".checkpoint.") as scratch, storage_errors(self._aside):
            copy = scratch / name.rsplit("/", 1)[-1]
            try:
                clone_file(self._folder / name, copy)
            except FileNotFoundError:
                return False
            if _version(self._folder / name) != version:
                return False
            publish([(copy, name)], self._url)
            return True


def due(before: Look, now: Look, sent: Look) -> list[str]:
    """The files to send: the same at both looks, and not sent as they are now. The oldest first."""
    found = [name for name, version in now.items() if before.get(name) == version != sent.get(name)]
    return sorted(found, key=now.__getitem__)


def look(folder: Path) -> Look:
    """All files below a folder as they are now. Raises `StorageFailed`."""
    found: dict[str, Version] = {}
    with storage_errors(folder):
        for path in folder.rglob("*"):
            version = _version(path)
            if version is not None:
                found[path.relative_to(folder).as_posix()] = version
    return found


def _version(path: Path) -> Version | None:
    """None for what is no file, or is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Version(status.st_mtime_ns, status.st_size, status.st_ino) if stat.S_ISREG(status.st_mode) else None
