"""All that is known of a log without opening its tensors, in one table of some 50 bytes a row.

A row is a tensor (or a reduction, or a shape) saved by one worker at one step. The rows of a step of a worker lie side
by side. Names are numbers: `tags` are the names as stored, `bases` the tensors that they belong to.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import numpy as np

from tintype.debugger.modes import Mode
from tintype.debugger.reductions import read_reduction_tag

TABLE_ROW = np.dtype([
    ("step", "<i8"),
    ("mode_step", "<i8"),
    ("start", "<i8"),
    ("length", "<i8"),
    ("content", "<u8"),     # the bytes of a single number, when `dtype` is not 0
    ("tag", "<u4"),
    ("base", "<u4"),
    ("worker", "<u2"),
    ("mode", "u1"),
    ("dtype", "u1"),        # as in the journal: NOT_INLINE, SHAPE_ONLY or a code
])  # fmt: skip
REPLACED = 0xFFFFFFFF       # the tag of rows whose step was written again

Rows = np.ndarray[Any, Any]


class Names:
    """Names and their numbers, both ways."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The number of `name`, a new one when it was not seen before."""
        number = self._numbers.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number

    def find(self, name: str) -> int | None:
        """The number of `name`, or None."""
        return self._numbers.get(name)


class LogTable:
    """The rows, and by which step of which mode they were saved. Only ever grows."""

    def __init__(self) -> None:
        self._rows: Rows = np.zeros(1024, TABLE_ROW)
        self._count = 0
        self.tags, self.bases, self.workers = Names(), Names(), Names()
        self._base_of_tag: list[int] = []
        self._operation_of_tag: list[tuple[str, bool] | None] = []
        self.spans: dict[int, dict[int, tuple[int, int]]] = {}            # worker → step → rows
        self.moments: dict[int, tuple[Mode, int]] = {}                    # step → mode, its step
        self.by_mode: dict[Mode, dict[int, int]] = {}                     # mode → its step → step
        self.shapes: dict[tuple[int, int, int], tuple[int, ...]] = {}     # worker, step, tag
        self.files: dict[tuple[int, int], str] = {}                       # worker, step → an unusual event file

    @property
    def rows(self) -> Rows:
        """All the rows there are."""
        return self._rows[: self._count]

    def tag(self, name: str) -> int:
        """The number of a name as stored."""
        number = self.tags.number(name)
        if number == len(self._base_of_tag):
            reduction = read_reduction_tag(name)
            self._base_of_tag.append(self.bases.number(reduction[0] if reduction else name))
            self._operation_of_tag.append(reduction[1:] if reduction else None)
        return number

    def operation(self, tag: int) -> tuple[str, bool] | None:
        """(op, absolute) of a tag that is a reduction, None for a tensor's own."""
        return self._operation_of_tag[tag]

    def add(self, rows: Rows, worker: int, steps: list[int], ends: list[int]) -> None:
        """Add whole steps of one worker: `rows` with tags set, step `steps[i]` ending before row `ends[i]`."""
        first = self._count
        self._make_room(len(rows))
        target = self._rows[first : first + len(rows)]
        target[...] = rows
        target["worker"] = worker
        target["base"] = np.asarray(self._base_of_tag, np.uint32)[rows["tag"]] if len(rows) else 0
        self._count += len(rows)
        spans = self.spans.setdefault(worker, {})
        ends = [first + end for end in ends]
        places = zip([first, *ends[:-1]], ends, strict=True) if ends else ()
        if spans.keys().isdisjoint(steps) and len(set(steps)) == len(steps):
            spans.update(zip(steps, places, strict=True))
            return
        for step, place in zip(steps, places, strict=True):
            if step in spans:
                replaced = self._rows[slice(*spans[step])]
                replaced["tag"] = replaced["base"] = REPLACED
            spans[step] = place

    def add_moments(self, steps: Iterable[int], mode: Mode, mode_steps: Iterable[int]) -> None:
        """Say of which mode some steps were, and which of its steps."""
        steps, mode_steps = list(steps), list(mode_steps)
        self.moments.update(zip(steps, zip(repeat(mode), mode_steps), strict=True))
        if mode is not Mode.GLOBAL:
            self.by_mode.setdefault(mode, {}).update(zip(mode_steps, steps, strict=True))

    def has_step(self, worker: str, step: int) -> bool:
        """True when what a worker saved at a step is here."""
        number = self.workers.find(worker)
        return number is not None and step in self.spans.get(number, ())

    def of_step(self, worker: int, step: int) -> Rows:
        """The rows that a worker saved at a step."""
        span = self.spans.get(worker, {}).get(step)
        return self._rows[span[0] : span[1]] if span else self._rows[:0]

    def _make_room(self, count: int) -> None:
        if self._count + count > len(self._rows):
            grown = np.zeros(max(2 * len(self._rows), self._count + count), TABLE_ROW)
            grown[: self._count] = self.rows
            self._rows = grown
