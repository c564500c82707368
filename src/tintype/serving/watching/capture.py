"""Data capture: what was asked and answered, as JSON lines in SageMaker's shape, by the hour, off the request's path.

    <directory>/<variant>/YYYY/MM/DD/HH/<MM-SS-milliseconds>-<id>.jsonl

A request hands its record to a bounded queue and goes on; a thread writes. What does not fit into the queue, or onto
the disk, is dropped and counted: no request is ever late or lost because of it. The oldest files make room for new ones
when all of them together are over `most_bytes`.

When the directory is a URL, files are written to a local folder, each is closed after `SEND_SECONDS` at most, and
`sending` takes it from there. So `most_bytes` bounds what waits while the other end cannot be reached.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tintype.errors import InvalidRequest
from tintype.serving.front.invocation import Answer, Invocation
from tintype.serving.watching.sending import Sender, is_elsewhere
from tintype.storage import local_path

QUEUED_BYTES = 64 * 1024**2         # bodies that wait to be written
FILES_IN_ALL = 16                   # a file is closed when it has this part of `most_bytes`
PAUSE_SECONDS = 10.0                # after the disk refused; what comes meanwhile is dropped
SEND_SECONDS = 60.0                 # a file that is to be sent is closed when it is so old
UNFINISHED = ".open"                # the end of its name until then
TEXT_ENCODINGS = {"application/json": "JSON", "application/jsonlines": "JSON", "text/csv": "CSV"}

log = logging.getLogger(__name__)


class CaptureConfig(BaseModel):
    """What is captured of an endpoint's traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    percent: float = Field(default=100.0, ge=0, le=100, description="of the requests")
    requests: bool = Field(default=True, description="what was sent")
    answers: bool = Field(default=True, description="what was answered")
    directory: str = Field(default="", description='where to; "": the endpoint\'s own folder, and it goes with it')
    most_bytes: int = Field(default=1024**3, ge=1024**2, description="of all local files; beyond, the oldest go")

    @field_validator("directory")
    @classmethod
    def _can_be_written_to(cls, value: str) -> str:
        try:
            is_elsewhere(value)
        except InvalidRequest as error:
            raise ValueError(str(error)) from error
        return value


@final
@dataclass
class CaptureCounts:
    """What became of the records so far."""

    written: int = 0
    dropped: int = 0                # no room in the queue, or none on the disk
    failure: str = ""               # the last reason why the disk refused, or why nothing can be sent


@final
class Capture:
    """The writer of one endpoint's records. Close it when done; what is queued is written then."""

    def __init__(self, directory: Path, config: CaptureConfig, clock: Callable[[], float] = time.time) -> None:
        """`directory` is where files are written; what `config` says of it is for `begin` to see to."""
        self.config = config
        self.counts = CaptureCounts()
        self._directory = directory
        self._sender: Sender | None = None
        if is_elsewhere(config.directory):
            self._sender = Sender(directory, config.directory, self._not_sent)
        self._clock = clock
        self._queue: queue.SimpleQueue[tuple[str, Callable[[], bytes], int] | None] = queue.SimpleQueue()
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._seen = 0
        self._files: dict[str, _HourFile] = {}
        self._paused_until = 0.0
        self._thread = threading.Thread(target=self._write_all, name="capture", daemon=True)
        self._thread.start()

    @classmethod
    def begin(cls, own: Path, config: CaptureConfig) -> Capture:
        """Capture to where `config` says: `own` is the endpoint's folder for it."""
        if is_elsewhere(config.directory):
            return cls(own.with_name(f"{own.name}-unsent"), config)
        return cls((local_path(config.directory) if config.directory else None) or own, config)

    def offer(self, invocation: Invocation, answer: Answer) -> None:
        """Take note of a request, if it is one of those that are sampled. Never waits, never raises."""
        if not self._sampled():
            return
        size, now, config = len(invocation.body) + len(answer.content), self._clock(), self.config
        with self._lock:
            fits = self._queued_bytes + size <= QUEUED_BYTES
            if fits:
                self._queued_bytes += size
            else:
                self.counts.dropped += 1
        if fits:
            self._queue.put((answer.variant, lambda: capture_line(invocation, answer, now, config), size))

    def close(self) -> None:
        """Write what is queued, and end."""
        self._queue.put(None)
        self._thread.join()
        if self._sender:
            self._sender.close()

    def _sampled(self) -> bool:
        """Every so-manieth request, evenly: after n requests n * percent / 100 were taken."""
        if not self.config.enabled:
            return False
        self._seen += 1
        share = self.config.percent / 100
        return int(self._seen * share + 1e-9) > int((self._seen - 1) * share + 1e-9)

    def _write_all(self) -> None:
        if self._sender:
            with contextlib.suppress(OSError):      # what cannot be renamed now is still there the next time
                finish(self._directory)
            self._sender.wake()
        while (entry := self._next()) is not None:
            variant, line, size = entry
            try:
                self._write(variant, line())
            except OSError as error:
                self._refused(error)
            with self._lock:
                self._queued_bytes -= size
        self._close_files()

    def _next(self) -> tuple[str, Callable[[], bytes], int] | None:
        while self._sender:
            try:
                return self._queue.get(timeout=SEND_SECONDS / 4)
            except queue.Empty:
                self._close_files(SEND_SECONDS)
        return self._queue.get()

    def _write(self, variant: str, line: bytes) -> None:
        now = self._clock()
        if now < self._paused_until:
            self.counts.dropped += 1
            return
        if self._sender:
            self._close_files(SEND_SECONDS)
        self._file_for(variant, now).append(line)
        self.counts.written += 1

    def _file_for(self, variant: str, now: float) -> _HourFile:
        found, allowance = self._files.get(variant), self.config.most_bytes // FILES_IN_ALL
        if found and found.hour == hour_of(now) and found.size < allowance:
            return found
        if found:
            self._files.pop(variant).close()
            self._sent_on()
        make_room(self._directory, self.config.most_bytes - allowance * (len(self._files) + 1))
        self._files[variant] = _HourFile(self._directory, variant, now, UNFINISHED if self._sender else "")
        return self._files[variant]

    def _refused(self, error: OSError) -> None:
        self.counts.dropped += 1
        self.counts.failure = error.strerror or str(error)
        self._paused_until = self._clock() + PAUSE_SECONDS
        log.warning("captured data cannot be written below %s: %s", self._directory, self.counts.failure)
        self._close_files()

    def _close_files(self, least_seconds: float = 0.0) -> None:
        """Those that are so old."""
        now = self._clock()
        for variant, file in list(self._files.items()):
            if now - file.opened >= least_seconds:
                self._files.pop(variant).close()
                self._sent_on()

    def _sent_on(self) -> None:
        if self._sender:
            self._sender.wake()

    def _not_sent(self, reason: str) -> None:
        self.counts.failure = reason


@final
class _HourFile:
    """An open file of one variant and one hour. A line that was cut off by a full disk is taken back."""

    def __init__(self, directory: Path, variant: str, now: float, ending: str = "") -> None:
        """`ending` is at the end of its name until it is closed."""
        moment = datetime.fromtimestamp(now, UTC)
        folder = directory / variant / moment.strftime("%Y/%m/%d/%H")
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{moment.strftime('%M-%S')}-{moment.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        self.hour, self.opened = hour_of(now), now
        self._path, self._ending = folder / name, ending
        self._stream: IO[bytes] = (folder / f"{name}{ending}").open("ab", buffering=0)
        self.size = 0

    def append(self, line: bytes) -> None:
        """One whole line, or none."""
        try:
            if self._stream.write(line) != len(line):
                raise OSError(None, "the disk is full")
        except OSError:
            with contextlib.suppress(OSError):
                self._stream.truncate(self.size)
            raise
        self.size += len(line)

    def close(self) -> None:
        self._stream.close()
        if self._ending:
            with contextlib.suppress(OSError):      # the next writer gives it its name
                os.replace(f"{self._path}{self._ending}", self._path)


def capture_line(invocation: Invocation, answer: Answer, at: float, config: CaptureConfig) -> bytes:
    """The record of one request as a line of JSON, in the shape of SageMaker's data capture, version 0."""
    data: dict[str, Any] = {}
    if config.requests:
        data["endpointInput"] = _side("INPUT", invocation.content_type or "application/octet-stream", invocation.body)
    if config.answers:
        data["endpointOutput"] = _side("OUTPUT", answer.content_type, answer.content)
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    metadata: dict[str, Any] = {"eventId": invocation.request_id, "inferenceTime": moment}
    if invocation.custom_attributes:
        metadata["customAttributes"] = [invocation.custom_attributes]
    document = {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}
    return json.dumps(document, ensure_ascii=True).encode() + b"\n"


def hour_of(at: float) -> int:
    """The hour, UTC, that a time in seconds since the epoch is in."""
    return int(at // 3600)


def finish(directory: Path) -> None:
    """Give the files of a writer that was killed the names that they were to have; their lines are whole, or cut off at
    the end."""
    for path in directory.rglob(f"*.jsonl{UNFINISHED}"):
        path.replace(path.with_name(path.name.removesuffix(UNFINISHED)))


def make_room(directory: Path, most_bytes: int) -> None:
    """Remove the oldest files until the others have at most `most_bytes` together."""
    files: list[tuple[float, int, Path]] = []
    for path in directory.rglob("*.jsonl"):
        with contextlib.suppress(FileNotFoundError):        # somebody else tidied up
            found = path.stat()
            files.append((found.st_mtime, found.st_size, path))
    files.sort(key=lambda one: one[0])
    excess = sum(size for _, size, _ in files) - most_bytes
    for _, size, path in files:
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= size


def _side(mode: str, content_type: str, content: bytes) -> dict[str, str]:
    encoding = TEXT_ENCODINGS.get(content_type.partition(";")[0].strip().lower())
    if encoding:
        try:
            return {"observedContentType": content_type, "mode": mode, "data": content.decode(), "encoding": encoding}
        except UnicodeDecodeError:
            pass                            # it is not what it says it is; kept as bytes
    data = base64.b64encode(content).decode()
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": "BASE64"}
