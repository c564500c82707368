"""Files and folders classified, by an endpoint or by a model at hand; what cannot be read is reported, not fatal."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final

from tintype.datasets.walk import Branch, Walk, has_image_name
from tintype.errors import InvalidRequest, JobFailed, NotFound
from tintype.serving.content.predictions import Ranked
from tintype.serving.runtimes.predictor import Predictor
from tintype.storage import named_file

Classify = Callable[[bytes], tuple[Ranked, ...]]        # a picture file's bytes -> its classes, the most probable first

AHEAD = 2                                               # files read and waiting, per worker


class Readable(Protocol):
    """A file, here (`Path`) or elsewhere (`remote_files.RemoteFile`)."""

    def __fspath__(self) -> str: ...

    def read_bytes(self) -> bytes: ...


@final
@dataclass(frozen=True)
class FilePrediction:
    """What a file shows."""

    file: str
    top: tuple[Ranked, ...]         # at least one, the most probable first

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.top[0].label

    @property
    def probability(self) -> float:
        """Of the most probable class, 0 to 1."""
        return self.top[0].probability

    def to_json(self) -> dict[str, Any]:
        """{"file", "label", "probability", "top"}."""
        top = [one.to_json() for one in self.top]
        return {"file": self.file, "label": self.label, "probability": self.probability, "top": top}


@final
@dataclass(frozen=True)
class FileProblem:
    """A file that was passed over, and why."""

    file: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """{"file", "problem"}."""
        return {"file": self.file, "problem": self.reason}


Outcome = FilePrediction | FileProblem


def image_files(paths: Sequence[Path]) -> list[Path]:
    """The files among `paths`, and of the folders among them all files with an image's name, sorted.

    Raises `NotFound` for a path that is not there and when there are no files at all, `BadData` for a closed folder.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [file.path for file in Walk(path).files([Branch("", None, 0)])]
            found += [path / name for name in sorted(inside) if has_image_name(name.rsplit("/", 1)[-1])]
        elif path.exists():
            found.append(path)
        else:
            raise NotFound(f"there is no file or folder {path}")
    if not found:
        raise NotFound(f"there are no image files in {', '.join(map(str, paths))}")
    return found


def classify_locally(predictor: Predictor, top: int = 5) -> Classify:
    """Ask a model in this process: the `top` most probable classes of a picture."""
    return lambda content: predictor.predict([content]).top(top)[0]


def predict_files(classify: Classify, files: Iterable[Readable], workers: int = 4) -> Iterator[Outcome]:
    """The outcome of every file, in order, with up to `workers` of them at work; memory does not grow with the files.

    A file that cannot be read or is no picture is a `FileProblem`. Whatever else `classify` raises ends it all.
    """
    waiting: deque[Future[Outcome]] = deque()
    pool = ThreadPoolExecutor(workers, "predict")
    try:
        for path in files:
            waiting.append(pool.submit(_outcome, classify, path))
            if len(waiting) > workers * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def write_csv(path: Path, outcomes: Iterable[Outcome], width: int) -> None:
    """Write file,label,probability[,label_2,probability_2,...],problem with `width` classes a line; the file appears
    whole or not at all.
    """
    more = [f"{name}_{rank}" for rank in range(2, width + 1) for name in ("label", "probability")]
    with named_file(path) as stream:
        text = io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="")      # names as the disk has them
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("file", "label", "probability", *more, "problem"))
        writer.writerows(_row(one, width) for one in outcomes)
        text.detach()


def _row(one: Outcome, width: int) -> list[str | float]:
    if isinstance(one, FileProblem):
        return [one.file, *[""] * (2 * width), one.reason]
    cells = [cell for ranked in one.top[:width] for cell in (ranked.label, ranked.probability)]
    return [one.file, *cells, *[""] * (2 * width - len(cells)), ""]


def write_jsonl(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write one JSON object per file and line; the file appears whole or not at all."""
    with named_file(path) as stream:
        for one in outcomes:
            stream.write(json.dumps(one.to_json()).encode() + b"\n")


def widest(outcomes: Iterable[Outcome]) -> int:
    """The most classes that any of them has, at least one."""
    return max((len(one.top) for one in outcomes if isinstance(one, FilePrediction)), default=1)


def _outcome(classify: Classify, path: Readable) -> Outcome:
    try:
        return FilePrediction(os.fspath(path), classify(path.read_bytes()))
    except (InvalidRequest, JobFailed) as error:
        return FileProblem(os.fspath(path), str(error))
    except OSError as error:
        return FileProblem(os.fspath(path), f"cannot be read: {error.strerror or error}")
