"""Reading system metrics, ours and SageMaker's: what is damaged is left out and counted, never guessed at.

A day is some four million lines, so that files in the spelling of `system_writer` are parsed by NumPy, a file at a time
(about a microsecond per line); any other spelling goes through the JSON parser, line by line.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tintype.profiler.system_metrics import FILE_NAME, MINUTE_SECONDS, SYSTEM, Series

SYSTEM_ROW = np.dtype([("time", "<f8"), ("value", "<f8"), ("series", "<u2")])   # time: seconds since the epoch
MOST_SERIES = 1 << 16
VALUE_TAG = b'"Value":'
VALUE_WIDTH, TIME_WIDTH = 24, 18        # characters that a value and a timestamp may have
FARTHEST = 86_400.0                     # seconds that a row may be from the minute that its file is named after
BACKWARDS = 1.0                         # seconds by which a row may be earlier than the one before it in its file
LARGEST = 1e18                          # of a value: bytes of a whole data centre
LONGEST_TEXT = 400                      # before a value
MIXER, WORD = 0x9E3779B97F4A7C15, (1 << 64) - 1
MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)


@final
@dataclass(frozen=True, eq=False)
class SystemRows:
    """All rows of a profile in the order of time, and what their series are."""

    rows: NDArray[Any]                  # (rows,) SYSTEM_ROW
    series: tuple[Series, ...]
    damaged_lines: int = 0              # could not be read


def read_system_rows(root: Path, since: float = 0.0) -> SystemRows:
    """Every row below `root`/system. No files give no rows. Raises nothing for what is damaged.

    With `since`, seconds since the epoch, files that ended before it are not opened.
    """
    numbers: dict[Series, int] = {}
    parts, damaged = [], 0
    for path in system_files(root):
        if int(path.name[:10]) + MINUTE_SECONDS <= since:
            continue
        rows, bad = _read_file(path, numbers)
        parts.append(rows)
        damaged += bad
    rows = np.concatenate(parts) if parts else np.zeros(0, SYSTEM_ROW)
    if np.any(np.diff(rows["time"]) < 0):
        rows = rows[np.argsort(rows["time"], kind="stable")]
    return SystemRows(rows, tuple(numbers), damaged)


def system_files(root: Path) -> list[Path]:
    """The files of system metrics below a profile, oldest first; several nodes of a minute by name."""
    found = (root / SYSTEM).rglob("*.json") if (root / SYSTEM).is_dir() else ()
    return sorted((path for path in found if FILE_NAME.fullmatch(path.name)), key=lambda path: path.name)


def _read_file(path: Path, numbers: dict[Series, int]) -> tuple[NDArray[Any], int]:
    try:
        content = path.read_bytes()
    except OSError:                     # removed meanwhile, or not ours to read: its minute is missing
        return np.zeros(0, SYSTEM_ROW), 1
    rows, damaged = _read_canonical(content, numbers), 0
    if rows is None:
        rows, damaged = _read_lines(content, numbers)
    rows["time"] = _going_on(rows["time"])
    # A broken digit must not make a job of years, or a mean of nothing.
    possible = (np.abs(rows["time"] - int(path.name[:10])) <= FARTHEST) & (np.abs(rows["value"]) <= LARGEST)
    return rows[possible], damaged + int((~possible).sum())


def _going_on(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The times of a file's rows as written, by a clock that was not put back meanwhile.

    A single row that is out of its place is a damaged one, and says nothing of the clock.
    """
    if len(times) < 3 or not np.any(np.diff(times) < -BACKWARDS):
        return times
    middle = np.clip(np.arange(len(times)), 1, len(times) - 2)
    smooth = np.median([times[middle - 1], times[middle], times[middle + 1]], axis=0)
    passed = np.diff(smooth)
    usual = float(np.median(passed[passed > 0])) if np.any(passed > 0) else 0.0
    back = np.where((passed < -BACKWARDS) & (passed > -FARTHEST), usual - passed, 0.0)
    return times + np.concatenate(([0.0], np.cumsum(back)))


# ------------------------------------------------------------------------------------------- any spelling


def _read_lines(content: bytes, numbers: dict[Series, int]) -> tuple[NDArray[Any], int]:
    lines = [line for line in content.split(b"\n") if line.strip()]
    rows = [row for line in lines if (row := _read_line(line, numbers)) is not None]
    return np.array(rows, SYSTEM_ROW), len(lines) - len(rows)


def _read_line(line: bytes, numbers: dict[Series, int]) -> tuple[float, float, int] | None:
    try:
        document = json.loads(line)
        series = _series(document)
        row = float(document["Timestamp"]), float(document["Value"]), _number(series, numbers)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return row if math.isfinite(row[0]) and math.isfinite(row[1]) and row[2] < MOST_SERIES else None


def _series(document: dict[str, Any]) -> Series:
    names = (document["Type"], document.get("Name"), document.get("Dimension"), document.get("NodeId"))
    return Series(*(str(name or "") for name in names))


def _number(series: Series, numbers: dict[Series, int]) -> int:
    return numbers.setdefault(series, len(numbers))


# ----------------------------------------------------------------------------------------- our own spelling


def _read_canonical(content: bytes, numbers: dict[Series, int]) -> NDArray[Any] | None:
    """The rows of a file whose lines are all spelt as ours are, or None."""
    if not content.endswith(b"}\n") or content.count(VALUE_TAG) != content.count(b"\n"):
        return None
    characters = np.frombuffer(content + b" " * 512, np.uint8)
    ends = np.flatnonzero(characters[: len(content)] == ord("\n"))
    starts = np.concatenate(([0], ends[:-1] + 1))
    marks = np.flatnonzero((characters[1 : len(content)] == ord("V")) & (characters[: len(content) - 1] == ord('"')))
    if len(marks) != len(ends) or np.any(marks <= starts) or np.any(marks >= ends):
        return None
    values, value_ends = _values(characters, marks + len(VALUE_TAG))
    times, time_starts = _times(characters, ends)
    heads = _classes(characters, starts, marks - starts)
    tails = _classes(characters, value_ends, time_starts - value_ends)
    if values is None or times is None or heads is None or tails is None:
        return None
    combined = heads[0].astype(np.int64) * len(tails[1]) + tails[0]
    kinds, firsts, which = np.unique(combined, return_index=True, return_inverse=True)
    found = [_first_series(content[starts[n] : ends[n]]) for n in firsts]
    series = [one for one in found if one is not None]
    if len(series) < len(found) or len(kinds) + len(numbers) > MOST_SERIES:
        return None
    rows = np.empty(len(ends), SYSTEM_ROW)
    rows["time"], rows["value"] = times, values
    for place in np.argsort(firsts):                    # numbered in the order in which they come
        _number(series[place], numbers)
    rows["series"] = np.array([_number(one, numbers) for one in series], np.uint16)[which]
    return rows


def _first_series(line: bytes) -> Series | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    known = {"Type", "Name", "Dimension", "Value", "NodeId", "Timestamp"}
    return _series(document) if isinstance(document, dict) and set(document) == known else None


def _windows(characters: NDArray[np.uint8], starts: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    return np.lib.stride_tricks.sliding_window_view(characters, width)[starts]


def _values(
    characters: NDArray[np.uint8], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float64] | None, NDArray[Any]]:
    words = _windows(characters, starts, VALUE_WIDTH)
    beyond = np.maximum.accumulate(words == ord(","), axis=1)
    return _floats(np.where(beyond, ord(" "), words), beyond[:, -1]), starts + np.argmax(beyond, axis=1)


def _times(
    characters: NDArray[np.uint8], ends: NDArray[np.int64]
) -> tuple[NDArray[np.float64] | None, NDArray[Any]]:
    if ends[0] < TIME_WIDTH + 1:
        return None, ends
    words = _windows(characters, ends - 1 - TIME_WIDTH, TIME_WIDTH)
    before = np.maximum.accumulate((words == ord(":"))[:, ::-1], axis=1)[:, ::-1]
    words = np.where(before, ord(" "), words).astype(np.uint8)
    # All rows of a sample have the same time: it is read once.
    new = np.concatenate(([True], (words[1:] != words[:-1]).any(axis=1)))
    times = _floats(words[new], before[new, 0])
    starts = ends - 1 - TIME_WIDTH + before.sum(axis=1)
    return (None if times is None or not before[:, 0].all() else times[np.cumsum(new) - 1]), starts


def _floats(words: NDArray[np.uint8], whole: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """The number in each row of characters; blanks around it are none of it."""
    if not whole.all():
        return None
    try:
        numbers = np.fromstring(np.ascontiguousarray(words).tobytes(), np.float64, sep=" ")
    except (ValueError, DeprecationWarning):            # whichever this NumPy says of what is no number
        return None
    return numbers if len(numbers) == len(words) and np.isfinite(numbers).all() else None


def _classes(
    characters: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Equal texts get equal numbers: (number of each, first place of each number). By a checksum of 64 bits."""
    if lengths.min() < 1 or lengths.max() > LONGEST_TEXT:
        return None
    # Eight characters at a time: a view of a number at each character, of which no copy is made.
    eights = np.lib.stride_tricks.as_strided(characters.view(), (len(characters) - 7, 8), (1, 1))
    sums = np.zeros(len(starts), np.uint64)
    for place in range(0, int(lengths.max()), 8):
        pieces = np.ascontiguousarray(eights[starts + place]).view("<u8").ravel()
        kept = np.clip(lengths - place, 0, 8)
        sums += (pieces & MASKS[kept]) * np.uint64((2 * place + 1) * MIXER & WORD)
        sums ^= sums >> np.uint64(31)
    _, firsts, which = np.unique(sums, return_index=True, return_inverse=True)
    return which.astype(np.int64), firsts


def last_timestamp(root: Path, node: str) -> float:
    """The time of the newest row of a node, in seconds since the epoch; 0.0 when there is none."""
    mine = [path for path in system_files(root) if path.name.endswith(f".{node}.json")]
    for path in reversed(mine[-2:]):
        rows, _ = _read_file(path, {})
        if len(rows):
            return float(rows["time"].max())
    return 0.0
