"""Captured files sent on to a bucket, or to whatever else fsspec knows, in a thread of its own.

A file waits in a local folder until it is there whole: S3 shows an object when all of it has arrived, and elsewhere a
file gets its name at the end. What cannot be sent is tried again, also after a restart; how much may wait is for the
writer of the folder to see to.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, final

import fsspec

from tintype.errors import InvalidRequest
from tintype.storage import is_url, local_path

FINISHED = "*.jsonl"
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0      # before the next attempt
LAST_SECONDS = 10.0                                         # for what is left at the end

log = logging.getLogger(__name__)


class Destination(Protocol):
    """Where files go."""

    def send(self, path: Path, name: str) -> None:
        """Have a copy of the file there, below that name. Raises whatever its library does."""
        ...


@final
class Bucket:
    """`s3://bucket/prefix`, by boto3: its credentials, and its `AWS_ENDPOINT_URL`."""

    def __init__(self, url: str) -> None:
        self._bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client: Any = import_module("boto3").client("s3")     # here: it takes its time to load

    def send(self, path: Path, name: str) -> None:
        """One object."""
        self._client.upload_file(str(path), self._bucket, self._prefix + name)


@final
class Elsewhere:
    """Any other URL that fsspec knows."""

    def __init__(self, url: str) -> None:
        self._files, root = fsspec.core.url_to_fs(url)
        self._root = root.rstrip("/")

    def send(self, path: Path, name: str) -> None:
        """One file, under another name until it is whole."""
        target = f"{self._root}/{name}"
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._files.put_file(str(path), f"{target}.part")
        self._files.mv(f"{target}.part", target)


def destination_of(url: str) -> Destination:
    """What sends files to a URL."""
    return Bucket(url) if url.startswith("s3://") else Elsewhere(url)


def is_elsewhere(location: str) -> bool:
    """Whether a location is no path of this machine. `InvalidRequest` for a URL that nothing here can write to."""
    if not is_url(location) or local_path(location) is not None:
        return False
    scheme = location.partition("://")[0]
    if scheme != "s3":
        try:
            fsspec.get_filesystem_class(scheme)
        except (ImportError, ValueError) as error:
            raise InvalidRequest(f"{location} cannot be written to: {error}") from error
    return True


@final
class Sender:
    """Sends what is finished in a folder, and removes it there. Close it when done."""

    def __init__(
        self, folder: Path, url: str, told: Callable[[str], None], first_pause_seconds: float = FIRST_PAUSE_SECONDS
    ) -> None:
        """`told` hears why something could not be sent, and "" when all is well again."""
        self._folder, self._url, self._told = folder, url, told
        self._first_pause = first_pause_seconds
        self._destination: Destination | None = None
        self._news, self._is_closing = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="capture-sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to send."""
        self._news.set()

    def close(self) -> None:
        """Send what is there, if that does not take long; the rest is left for the next one."""
        self._is_closing = True
        self._news.set()
        self._thread.join(LAST_SECONDS)

    def _run(self) -> None:
        pause: float | None = None
        self._news.set()                    # what an earlier one has left
        while True:
            self._news.wait(pause)
            self._news.clear()
            is_last = self._is_closing
            try:
                self._send_all()
                if pause is not None:
                    self._told("")
                pause = None
            except Exception as error:      # those of boto3 and of fsspec's file systems have no base class in common
                pause = self._first_pause if pause is None else min(2 * pause, LONGEST_PAUSE_SECONDS)
                self._told(f"{self._url}: {error}")
                log.warning("captured data cannot be sent to %s, and is kept for %.0f s: %s", self._url, pause, error)
            if is_last:
                return

    def _send_all(self) -> None:
        if self._destination is None:
            self._destination = destination_of(self._url)
        for path in sorted(self._folder.rglob(FINISHED)):
            try:
                self._destination.send(path, path.relative_to(self._folder).as_posix())
            except FileNotFoundError:
                if path.exists():           # otherwise it had to make room for newer ones
                    raise
            path.unlink(missing_ok=True)
