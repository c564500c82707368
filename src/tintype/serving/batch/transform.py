"""Batch transform, as SageMaker's: each input file is one request, its answer is the file `<key>.out`.

An output appears whole or not at all, so a run that was killed goes on where it was: what has an output is passed over,
unless it is older than the run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import final

from tintype.errors import BadData, InvalidRequest, JobFailed
from tintype.serving.batch.file_predictions import AHEAD, Readable
from tintype.storage import write_bytes

SUFFIX = ".out"
Invoke = Callable[[bytes, str, str], bytes]         # (body, content type, accept) -> the answer's body


@final
@dataclass(frozen=True)
class Input:
    """One file to be transformed."""

    key: str                    # relative to the common prefix, with forward slashes; names the output
    file: Readable


@final
@dataclass(frozen=True)
class Transformed:
    """What became of a transform."""

    done: int                   # answered now
    passed_over: int            # had an output already
    problems: tuple[tuple[str, str], ...]       # (key, reason) of those without an output


def transform(
    invoke: Invoke,
    inputs: Sequence[Input],
    destination: Path,
    *,
    content_type: str = "application/octet-stream",
    accept: str = "application/json",
    concurrent: int = 1,
    since: float = 0.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Transformed:
    """Ask about every input, `concurrent` of them at a time; memory does not grow with their number. An output that was
    written before `since`, in seconds since the epoch, is another run's, and is written anew.

    A file that is refused or cannot be read is a problem in the result, and the others go on; whatever else `invoke`
    raises (a wrong token, an endpoint that is gone) ends it all. Raises `StorageFailed` when outputs cannot be written,
    `BadData` for a key that leads out of `destination`.
    """
    outputs = {one.key: output_path(destination, one.key) for one in inputs}
    missing = [one for one in inputs if not _is_there(outputs[one.key], since)]
    problems: list[tuple[str, str]] = []
    waiting: deque[tuple[str, Future[str]]] = deque()
    finished = len(inputs) - len(missing)
    progress(finished, len(inputs))
    pool = ThreadPoolExecutor(concurrent, "transform")

    def collect() -> None:
        nonlocal finished
        key, future = waiting.popleft()
        if reason := future.result():
            problems.append((key, reason))
        finished += 1
        progress(finished, len(inputs))

    try:
        for one in missing:
            waiting.append((one.key, pool.submit(_one, invoke, one, outputs[one.key], content_type, accept)))
            if len(waiting) > concurrent * AHEAD:
                collect()
        while waiting:
            collect()
    finally:
        pool.shutdown(cancel_futures=True)
    return Transformed(len(missing) - len(problems), len(inputs) - len(missing), tuple(problems))


def output_path(destination: Path, key: str) -> Path:
    """Where the answer for `key` goes. `BadData` when that would be outside of `destination`."""
    parts = key.split("/")
    if not key or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise BadData(f"the input {key!r} has a name that no file below {destination} can have; rename it")
    return destination.joinpath(*parts[:-1], parts[-1] + SUFFIX)


def _is_there(output: Path, since: float) -> bool:
    try:
        found = output.stat()
    except OSError:
        return False
    return S_ISREG(found.st_mode) and found.st_mtime >= since


def _one(invoke: Invoke, one: Input, output: Path, content_type: str, accept: str) -> str:
    """Why there is no output; "" when there is."""
    try:
        content = one.file.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    try:
        answer = invoke(content, content_type, accept)
    except (InvalidRequest, JobFailed) as error:
        return str(error)
    write_bytes(output, answer, durable=False)
    return ""
