"""Our index beside smdebug's: the same facts in rows of fixed size, with the values of single numbers in them.

smdebug keeps a JSON file for each step, so that a history of 100,000 losses is 200,000 files to open. The journal of a
worker is two files that are only ever appended to, `tintype/{worker}.names` (a name and its checksum to a line; its
place is its number) and `tintype/{worker}.rows`. It is a cache, and checked: a row counts when its checksum and its
name's are right, a step that it does not have is read from smdebug's index, and a log without a journal reads the same,
slower.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tintype.debugger.dtypes import CODE_OF
from tintype.debugger.layout import JOURNAL
from tintype.debugger.step_record import SavedTensor, StepRecord
from tintype.errors import StorageFailed
from tintype.storage import storage_errors

NOT_INLINE = 0
SHAPE_ONLY = 255

ROW = np.dtype([
    ("step", "<i8"),            # global
    ("mode_step", "<i8"),
    ("start", "<i8"),           # of the record in the event file of the step
    ("length", "<i8"),
    ("content", "<u8"),         # the bytes of a single number, when `dtype` is its code
    ("name", "<u4"),            # the line of the names file, from 0
    ("mode", "u1"),
    ("dtype", "u1"),            # NOT_INLINE, SHAPE_ONLY, or a code of dtypes.CODES
    ("last", "u1"),             # 1 in the last row of a step
    ("version", "u1"),
    ("check", "<u8"),
])  # fmt: skip
VERSION = 1
WEIGHTS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                    0x27D4EB2F165667C5, 0x85EBCA77C2B2AE63, 0xFF51AFD7ED558CCD], np.uint64)  # fmt: skip

Rows = np.ndarray[Any, Any]


def row_checks(rows: Rows) -> np.ndarray[Any, Any]:
    """What the `check` of each row must be; not 0 for a row of zeros."""
    words = np.ascontiguousarray(rows).view("<u8").reshape(len(rows), -1)
    return (words[:, :-1] * WEIGHTS).sum(axis=1, dtype=np.uint64) + np.uint64(VERSION)


def rows_path(worker: str) -> str:
    """The rows of a worker's journal, relative to the root of the log."""
    return f"{JOURNAL}/{worker}.rows"


def names_path(worker: str) -> str:
    """The names of a worker's journal, relative to the root of the log."""
    return f"{JOURNAL}/{worker}.names"


def _line_of(name: str) -> bytes:
    """The line of a name: `["loss", 1409427127]`, with the CRC-32 of the name as JSON writes it."""
    return json.dumps([name, _check_of(name)]).encode() + b"\n"


def read_names(content: bytes) -> list[str]:
    """The names in order, up to a line that is cut short or damaged. In older logs a line is the name alone."""
    names: list[str] = []
    for line in content.split(b"\n")[:-1]:
        try:
            found = json.loads(line)
        except ValueError:
            break
        match found:
            case str(name):
                names.append(name)
            case [str(name), int(check)] if check == _check_of(name):
                names.append(name)
            case _:
                break
    return names


def _check_of(name: str) -> int:
    return zlib.crc32(json.dumps(name).encode())


class JournalWriter:
    """Appends the steps of one worker to its journal, continuing one that is there.

    Raises `StorageFailed` when it cannot be written; the log itself is then complete all the same.
    """

    def __init__(self, root: Path, worker: str) -> None:
        names, rows = root / names_path(worker), root / rows_path(worker)
        with storage_errors(rows):
            rows.parent.mkdir(parents=True, exist_ok=True)
            self._names_descriptor = _open_to_append(names)
            self._rows_descriptor = _open_to_append(rows)
            content = names.read_bytes()
            known = read_names(content)
            sound = content.split(b"\n")[: len(known)]
            os.ftruncate(self._names_descriptor, sum(len(line) + 1 for line in sound))
            os.ftruncate(self._rows_descriptor, os.fstat(self._rows_descriptor).st_size // ROW.itemsize * ROW.itemsize)
        self._numbers = {name: number for number, name in enumerate(known)}
        self._root = root

    def append(self, record: StepRecord, entries: Sequence[tuple[str, int, int]]) -> None:
        """Add a step that was written; `entries` are the name, start and length of each record."""
        moment = record.moment
        found = [(name, start, length, *_inline(record.tensors[name])) for name, start, length in entries]
        found += [(name, 0, 0, SHAPE_ONLY, 0) for name in record.shapes_alone]
        rows = np.array(
            [
                (moment.global_step, moment.mode_step, start, length, content, self._number(name), moment.mode.value,
                 dtype, False, VERSION, 0)
                for name, start, length, dtype, content in found
            ],
            ROW,
        )  # fmt: skip
        rows["last"][-1] = 1
        rows["check"] = row_checks(rows)
        with storage_errors(self._root):
            _append(self._rows_descriptor, rows.tobytes())

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = len(self._numbers)
            with storage_errors(self._root):
                _append(self._names_descriptor, _line_of(name))
            self._numbers[name] = number
        return number

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._names_descriptor, self._rows_descriptor):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _inline(tensor: SavedTensor) -> tuple[int, int]:
    value = tensor.value
    code = CODE_OF.get(value.dtype, NOT_INLINE)
    if value.ndim or not code or value.itemsize > 8:
        return NOT_INLINE, 0
    return code, int.from_bytes(value.tobytes(), "little")


def _open_to_append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def _append(descriptor: int, content: bytes) -> None:
    written = os.write(descriptor, content)
    if written != len(content):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)        # half a row would shift all that follow
        raise StorageFailed("the disk is full while writing the journal of a tensor log; free some space")
