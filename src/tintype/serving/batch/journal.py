"""What has been predicted so far, kept while a long run is under way, so that a killed one goes on where it was.

    {"format": 1, "of": ...}                                  whose answers these are; others must not be mixed in
    {"file": ..., "top": [...]} | {"file": ..., "problem": ...}       one line per file, as they come

A line that was cut off by a kill is taken back; no file is lost, and none is in the result twice.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, final

from tintype.errors import Conflict
from tintype.serving.batch.file_predictions import (
    Classify,
    FilePrediction,
    FileProblem,
    Outcome,
    Readable,
    predict_files,
)
from tintype.serving.content.predictions import Ranked
from tintype.storage import lock_if_free, storage_errors

FORMAT = 1
SYNC_SECONDS = 1.0          # at most so much work is done again after a power cut; a kill costs nothing


@final
class Journal:
    """An open journal. Make it with `open_journal`."""

    def __init__(self, path: Path, stream: IO[bytes], places: dict[str, int]) -> None:
        self._path = path
        self._stream = stream
        self._places = places           # file -> where its line begins
        self._synced_at = 0.0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, file: str) -> bool:
        """The file has been predicted. One that could not be is tried again."""
        return file in self._places

    def add(self, outcome: Outcome) -> None:
        """One more; it survives a kill from here on. Raises `StorageFailed`."""
        with storage_errors(self._path):
            place = self._stream.seek(0, os.SEEK_END)
            self._stream.write(json.dumps(outcome.to_json()).encode() + b"\n")
            self._stream.flush()
            if time.monotonic() - self._synced_at > SYNC_SECONDS:
                os.fsync(self._stream.fileno())
                self._synced_at = time.monotonic()
        self._places[outcome.file] = place

    def outcomes(self, files: Iterable[str]) -> Iterator[Outcome]:
        """The outcomes of those files, in their order."""
        for file in files:
            self._stream.seek(self._places[file])
            yield _outcome(json.loads(self._stream.readline()))

    def remove(self) -> None:
        """The run is done, and its result is written."""
        self._path.unlink(missing_ok=True)


@contextmanager
def open_journal(path: Path, of: Any) -> Iterator[Journal]:
    """The journal at `path`, new or gone on with. `of` is plain JSON that says whose answers these are.

    Raises `Conflict` when it was begun for something else, or while another process has it open; `StorageFailed`.
    """
    with lock_if_free(path) as ours:
        if not ours:
            raise Conflict(f"another process is writing {path}; wait for it, or choose another file")
        with storage_errors(path):
            stream = path.open("a+b")
        with stream:
            with storage_errors(path):
                places = _read(path, stream, of)
            yield Journal(path, stream, places)


def predict_resumably(
    classify: Classify,
    files: Sequence[Readable],
    journal: Journal,
    *,
    workers: int = 4,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Outcome]:
    """Predict what the journal lacks, then give all outcomes in the order of `files`. Raises as `predict_files`.

    `progress` is told (files done, files in all) after each.
    """
    names = [os.fspath(one) for one in files]
    missing = [one for one, name in zip(files, names, strict=True) if name not in journal]
    done = len(files) - len(missing)
    progress(done, len(files))
    for outcome in predict_files(classify, missing, workers):
        journal.add(outcome)
        done += 1
        progress(done, len(files))
    return journal.outcomes(names)


def _read(path: Path, stream: IO[bytes], of: Any) -> dict[str, int]:
    stream.seek(0)
    head = {"format": FORMAT, "of": of}
    first = stream.readline()
    if not first.endswith(b"\n"):
        stream.truncate(0)
        stream.write(json.dumps(head).encode() + b"\n")
        stream.flush()
        return {}
    if _parsed(first) != json.loads(json.dumps(head)):
        raise Conflict(f"{path} was begun with another model or other options; remove it to begin anew")
    places: dict[str, int] = {}
    place = stream.tell()
    for line in iter(stream.readline, b""):
        entry = _parsed(line)
        if entry is None or not line.endswith(b"\n"):
            stream.truncate(place)              # cut off by a kill or a full disk
            break
        if "top" in entry:
            places[entry["file"]] = place
        place += len(line)
    return places


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _outcome(entry: dict[str, Any]) -> Outcome:
    if "problem" in entry:
        return FileProblem(entry["file"], entry["problem"])
    return FilePrediction(entry["file"], tuple(Ranked(**one) for one in entry["top"]))
