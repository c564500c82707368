"""Reading a tensor log while the training writes it, or after: ours, smdebug's, or AWS's.

    log = open_log("run/debug-output")          # or s3://bucket/job/debug-output
    log.steps(Mode.TRAIN)
    log.values("CrossEntropyLoss_output_0", Mode.EVAL)

A step is counted in the mode that is given: with `Mode.GLOBAL`, the default, in global steps through all the modes,
otherwise in steps of that mode. Reading one tensor's history opens no other tensor.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tintype.debugger.collection import Collection
from tintype.debugger.dtypes import DTYPES
from tintype.debugger.event_decoding import Damaged
from tintype.debugger.index_file import read_index
from tintype.debugger.journal import NOT_INLINE, SHAPE_ONLY
from tintype.debugger.layout import event_path, index_path
from tintype.debugger.log_files import log_files
from tintype.debugger.log_loading import LogLoader
from tintype.debugger.log_table import Rows
from tintype.debugger.modes import Mode
from tintype.debugger.record_reading import read_tensor
from tintype.debugger.reductions import REDUCTIONS, reduce, reduction_tag
from tintype.errors import InvalidRequest, NotFound, StorageFailed, not_found

POLL_SECONDS = 0.25

Array = np.ndarray[Any, Any]


def open_log(location: str | Path) -> TensorLog:
    """The tensor log at a path or an fsspec URL. An empty place is an empty log: a training may yet begin to write."""
    log = TensorLog(LogLoader(log_files(location)))
    log.refresh()
    return log


class TensorLog:
    """What was saved of a training. `refresh` reads what came since; everything else answers from what was read."""

    def __init__(self, loader: LogLoader) -> None:
        self._loader = loader
        self._table = loader.table
        self._sorted: dict[Mode, list[int]] = {}

    def __repr__(self) -> str:
        ended = "ended" if self.ended else "not ended"
        return f"TensorLog({self.location!r}: {len(self._table.moments)} steps, {len(self.names())} tensors, {ended})"

    # what there is

    @property
    def location(self) -> str:
        """The path or the URL of the log."""
        return self._loader.files.location

    @property
    def ended(self) -> bool:
        """True when the training said that nothing more will come."""
        return self._loader.ended

    @property
    def workers(self) -> tuple[str, ...]:
        """The workers that wrote something, sorted."""
        return tuple(sorted(self._loader.workers))

    @property
    def expected_workers(self) -> int:
        """How many workers the training said would write."""
        return self._loader.expected_workers

    @property
    def collections(self) -> Mapping[str, Collection]:
        """The collections that were saved, by name, with the tensors that the hook put into each."""
        return self._loader.collections

    @property
    def problems(self) -> Mapping[str, str]:
        """What could not be read and is missing from the answers: path below the log → what is wrong with it."""
        return self._loader.problems

    def refresh(self) -> bool:
        """Read what was written since the last time; True when there was something."""
        changed = self._loader.refresh()
        if changed:
            self._sorted.clear()
        return changed

    def names(
        self,
        regex: str | Iterable[str] | None = None,
        *,
        collection: str | Collection | None = None,
        mode: Mode | None = None,
        step: int | None = None,
    ) -> list[str]:
        """The names of the tensors, sorted: those that match an expression (anywhere in the name), belong to a
        collection, and were saved in a mode or at a step of it. A tensor counts when only a reduction of it was saved.
        """
        names: Iterable[str] = self._names_at(mode or Mode.GLOBAL, step) if mode or step is not None else self._bases()
        if collection is not None:
            group = collection if isinstance(collection, Collection) else self._collection(collection)
            names = [name for name in names if group.matches(name)]
        if regex is not None:
            try:
                wanted = [re.compile(one) for one in ([regex] if isinstance(regex, str) else regex)]
            except re.error as error:
                raise InvalidRequest(f"{regex!r} is not a regular expression: {error}") from error
            names = [name for name in names if any(one.search(name) for one in wanted)]
        return sorted(names)

    def _bases(self) -> list[str]:
        return self._table.bases.names

    def _collection(self, name: str) -> Collection:
        if name not in self.collections:
            raise not_found("collection", name, self.collections)
        return self.collections[name]

    def _names_at(self, mode: Mode, step: int | None) -> list[str]:
        bases = self._table.bases.names
        if step is not None:
            at = self.global_step(mode, step)
            found = [] if at is None else [self._table.of_step(worker, at)["base"] for worker in self._table.spans]
            return [bases[number] for number in np.unique(np.concatenate(found))] if found else []
        rows = self._table.rows
        if mode is Mode.GLOBAL:
            return bases
        steps = np.fromiter(self._table.by_mode.get(mode, {}).values(), np.int64)
        numbers = np.unique(rows["base"][np.isin(rows["step"], steps)])
        return [bases[number] for number in numbers if number < len(bases)]

    # steps

    def modes(self) -> list[Mode]:
        """The modes of which steps were saved; `GLOBAL` only where nobody set a mode."""
        present = {mode for mode, _ in self._table.moments.values()}
        return [mode for mode in Mode if mode in present]

    def steps(self, mode: Mode = Mode.GLOBAL, *, complete: bool = True) -> list[int]:
        """The steps that were saved, ascending; `complete` leaves out those that not all workers have written yet."""
        if mode not in self._sorted:
            known = self._table.moments if mode is Mode.GLOBAL else self._table.by_mode.get(mode, {})
            self._sorted[mode] = sorted(known)
        steps = self._sorted[mode]
        return [step for step in steps if self._is_complete(step, mode)] if complete and self._waits else list(steps)

    @property
    def _waits(self) -> bool:
        return self.expected_workers > 1 and not self.ended

    def _is_complete(self, step: int, mode: Mode) -> bool:
        at = self.global_step(mode, step)
        return at is not None and at <= self.last_complete_step

    @property
    def last_complete_step(self) -> int:
        """The newest global step that all the workers wrote, or the newest at all once the log has ended; -1 if none.

        What is older is complete too, or will never be.
        """
        if not self._waits:
            return max(self._table.moments, default=-1)
        spans = self._table.spans.values()
        if len(spans) < self.expected_workers:
            return -1
        return max(set.intersection(*(set(one) for one in spans)), default=-1)

    def mode_step(self, global_step: int) -> tuple[Mode, int]:
        """The mode of a global step, and its number in that mode. Raises `NotFound`."""
        if global_step not in self._table.moments:
            raise NotFound(f"no step {global_step} was saved in {self.location}; {self._which(self.steps())}")
        return self._table.moments[global_step]

    def global_step(self, mode: Mode, mode_step: int) -> int | None:
        """The global step of a step of a mode; None when it was not saved."""
        if mode is Mode.GLOBAL:
            return mode_step if mode_step in self._table.moments else None
        return self._table.by_mode.get(mode, {}).get(mode_step)

    def steps_of(self, name: str, mode: Mode = Mode.GLOBAL, *, complete: bool = True) -> list[int]:
        """The steps at which a tensor, or a reduction of it, was saved, ascending. Raises `NotFound`."""
        rows = self._table.rows
        at = np.unique(rows["step"][rows["base"] == self._base(name)]).tolist()
        steps = sorted(self._in_mode(at, mode))
        return [step for step in steps if self._is_complete(step, mode)] if complete and self._waits else steps

    def workers_of(self, name: str, step: int, mode: Mode = Mode.GLOBAL) -> list[str]:
        """The workers that saved a tensor, or a reduction of it, at a step."""
        base, at = self._base(name), self.global_step(mode, step)
        saved = (w for w in self._table.spans if at is not None and base in self._table.of_step(w, at)["base"])
        return sorted(self._table.workers.names[worker] for worker in saved)

    def wait(
        self,
        step: int,
        mode: Mode = Mode.GLOBAL,
        timeout_seconds: float = 60.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> bool:
        """Wait until a step is there, whole. False when it will not come (the log ended, or went past it), or the time
        is over.
        """
        deadline = clock() + timeout_seconds
        while True:
            self.refresh()
            steps = self.steps(mode)
            if step in steps[-1:] or step in steps:
                return True
            if self.ended or (steps and steps[-1] > step) or clock() >= deadline:
                return False
            sleep(min(POLL_SECONDS, max(deadline - clock(), 0.0)))

    # values

    def value(self, name: str, step: int, mode: Mode = Mode.GLOBAL, worker: str | None = None) -> Array:
        """A tensor as it was saved (0-d for a number), of the first worker unless one is named.

        Raises `NotFound`, which says at which steps it is there or that only reductions of it are, and `StorageFailed`
        when its place in the file is damaged.
        """
        row = self._row(name, name, step, mode, worker)
        return self._read(row)

    def values(self, name: str, mode: Mode = Mode.GLOBAL, worker: str | None = None) -> dict[int, Array]:
        """A tensor at all the steps at which it was saved whole; what is damaged is left out and in `problems`."""
        return dict(self._history(name, name, mode, worker))

    def series(self, name: str, mode: Mode = Mode.GLOBAL, worker: str | None = None) -> tuple[Array, Array]:
        """The steps (int64) and values (float64) of a tensor of single numbers: the fastest way to a curve."""
        history = self.values(name, mode, worker)
        values = [float(np.asarray(value).reshape(-1)[0]) for value in history.values() if np.size(value) == 1]
        steps = [step for step, value in history.items() if np.size(value) == 1]
        return np.asarray(steps, np.int64), np.asarray(values, np.float64)

    def shape(self, name: str, step: int, mode: Mode = Mode.GLOBAL, worker: str | None = None) -> tuple[int, ...]:
        """The shape of a tensor at a step, from the index or from the tensor. Raises `NotFound`."""
        at = self.global_step(mode, step)
        for number in self._workers(worker):
            rows = self._table.of_step(number, -1 if at is None else at)
            for row in rows[rows["tag"] == (self._table.tags.find(name) or 0)]:
                if row["dtype"] == SHAPE_ONLY:
                    return self._stored_shape(number, int(row["step"]), int(row["tag"]))
        return self.value(name, step, mode, worker).shape

    def reduction(
        self,
        name: str,
        step: int,
        op: str,
        *,
        absolute: bool = False,
        mode: Mode = Mode.GLOBAL,
        worker: str | None = None,
    ) -> float:
        """A reduction to one number: as stored, or else computed from the tensor. Raises `NotFound` without either."""
        found = self.distribution(name, step, op, absolute=absolute, mode=mode, worker=worker)
        if found.ndim:
            raise InvalidRequest(f"{op} is not a single number; ask for the distribution")
        return float(found)

    def distribution(
        self,
        name: str,
        step: int,
        op: str,
        *,
        absolute: bool = False,
        mode: Mode = Mode.GLOBAL,
        worker: str | None = None,
    ) -> Array:
        """As `reduction`, for those that are several numbers (`quantiles`, `histogram`): see reductions.py."""
        if op not in REDUCTIONS:
            raise not_found("reduction", op, REDUCTIONS)
        tag = reduction_tag(name, op, absolute=absolute)
        try:
            return self._read(self._row(name, tag, step, mode, worker))
        except NotFound:
            return reduce(self.value(name, step, mode, worker), op, absolute=absolute)

    def reductions(self, name: str, mode: Mode = Mode.GLOBAL) -> dict[tuple[str, bool], dict[int, float]]:
        """The stored reductions to one number of a tensor: (op, absolute) → step → value. Raises `NotFound`."""
        return {
            operation: {step: float(value) for step, value in self._history(name, tag, mode, None)}
            for operation, tag in self._operations(name)
            if operation[0] not in ("quantiles", "histogram")
        }

    def distributions(
        self, name: str, op: str, mode: Mode = Mode.GLOBAL, *, absolute: bool = False
    ) -> dict[int, Array]:
        """The stored `quantiles` or `histogram` of a tensor by step; empty when none were stored."""
        return dict(self._history(name, reduction_tag(name, op, absolute=absolute), mode, None))

    def stored_reductions(self, name: str, step: int, mode: Mode = Mode.GLOBAL) -> list[tuple[str, bool]]:
        """(op, absolute) of the reductions of a tensor that were stored at a step."""
        at = self.global_step(mode, step)
        numbers = {int(tag) for w in self._table.spans if at is not None for tag in self._table.of_step(w, at)["tag"]}
        return [operation for operation, tag in self._operations(name) if self._table.tags.find(tag) in numbers]

    def to_frame(self, regex: str | Iterable[str] | None = None, mode: Mode | None = None) -> Any:
        """A pandas DataFrame of the tensors that are single numbers: a row each, with the columns `name`, `mode`,
        `step` (global), `mode_step` and `value`. Needs pandas.
        """
        import pandas

        rows = []
        for name in self.names(regex, mode=mode):
            steps, values = self.series(name)
            for step, value in zip(steps.tolist(), values.tolist(), strict=True):
                of, mode_step = self._table.moments[step]
                if mode in (None, Mode.GLOBAL, of):
                    rows.append((name, of.name, step, mode_step, value))
        return pandas.DataFrame(rows, columns=["name", "mode", "step", "mode_step", "value"])

    # inside

    def _base(self, name: str) -> int:
        number = self._table.bases.find(name)
        if number is None:
            raise not_found("tensor", name, self._table.bases.names)
        return number

    def _operations(self, name: str) -> list[tuple[tuple[str, bool], str]]:
        self._base(name)
        tags = [((op, absolute), reduction_tag(name, op, absolute=absolute)) for absolute in (False, True)
                for op in REDUCTIONS]  # fmt: skip
        return [(operation, tag) for operation, tag in tags if self._table.tags.find(tag) is not None]

    def _in_mode(self, steps: Iterable[int], mode: Mode) -> Iterator[int]:
        for step in steps:
            of, mode_step = self._table.moments[step]
            if mode is Mode.GLOBAL or mode is of:
                yield step if mode is Mode.GLOBAL else mode_step

    def _workers(self, worker: str | None) -> list[int]:
        names = self._table.workers.names
        if worker is not None:
            if worker not in names:
                raise not_found("worker", worker, names)
            return [names.index(worker)]
        return sorted(self._table.spans, key=names.__getitem__)

    def _row(self, name: str, tag: str, step: int, mode: Mode, worker: str | None) -> Any:
        number = self._table.tags.find(tag)
        at = self.global_step(mode, step)
        if number is not None and at is not None:
            for one in self._workers(worker):
                rows = self._table.of_step(one, at)
                for row in rows[(rows["tag"] == number) & (rows["dtype"] != SHAPE_ONLY)]:
                    return row
        raise NotFound(self._why_not(name, tag, step, mode))

    def _why_not(self, name: str, tag: str, step: int, mode: Mode) -> str:
        steps = self.steps_of(name, mode)
        at = "" if mode is Mode.GLOBAL else f" of {mode.name}"
        if tag == name and step in steps:
            pairs = self.stored_reductions(name, step, mode)
            stored = ", ".join(("abs_" if absolute else "") + op for op, absolute in pairs)
            return f"{name} was not saved whole at step {step}{at}; there is {stored or 'its shape'}"
        return f"{tag} was not saved at step {step}{at}; {self._which(steps)}"

    @staticmethod
    def _which(steps: list[int]) -> str:
        if len(steps) > 8:
            return f"there are {len(steps)} steps, from {steps[0]} to {steps[-1]}"
        return f"there are steps {', '.join(map(str, steps))}" if steps else "there are no steps"

    def _history(self, name: str, tag: str, mode: Mode, worker: str | None) -> Iterator[tuple[int, Array]]:
        self._base(name)
        number = self._table.tags.find(tag)
        if number is None:
            return
        rows = self._table.rows
        rows = rows[(rows["tag"] == number) & (rows["dtype"] != SHAPE_ONLY)]
        order = np.array(self._workers(worker), np.int64)
        rows = rows[np.isin(rows["worker"], order)]
        rank = np.argsort(order)[np.searchsorted(np.sort(order), rows["worker"])] if len(order) > 1 else rows["worker"]
        rows = rows[np.lexsort((rank, rows["step"]))]
        rows = rows[np.append(True, rows["step"][1:] != rows["step"][:-1])] if len(rows) else rows
        yield from self._read_rows(rows, mode)

    def _read_rows(self, rows: Rows, mode: Mode) -> Iterator[tuple[int, Array]]:
        moments, waits, last = self._table.moments, self._waits, self.last_complete_step
        octets = rows["content"].astype("<u8").view(np.uint8).reshape(-1, 8)
        present = set(np.unique(rows["dtype"]).tolist()) & DTYPES.keys()
        inline = {code: octets[:, : DTYPES[code].itemsize].copy().view(DTYPES[code])[:, 0] for code in present}
        for index, (step, code) in enumerate(zip(rows["step"].tolist(), rows["dtype"].tolist(), strict=True)):
            of, mode_step = moments[step]
            if (mode is not Mode.GLOBAL and of is not mode) or (waits and step > last):
                continue
            try:
                value = inline[code][index : index + 1].reshape(()) if code in inline else self._read(rows[index])
            except (StorageFailed, NotFound):
                continue
            yield step if mode is Mode.GLOBAL else mode_step, value

    def _read(self, row: Any) -> Array:
        code = int(row["dtype"])
        if code != NOT_INLINE and code in DTYPES:
            content = int(row["content"]).to_bytes(8, "little")
            return np.frombuffer(content, DTYPES[code], 1).reshape(()).copy()
        step, worker = int(row["step"]), int(row["worker"])
        path = self._table.files.get((worker, step)) or event_path(step, self._table.workers.names[worker])
        try:
            return read_tensor(self._loader.files, path, int(row["start"]), int(row["length"]))
        except Damaged as error:
            self.problems_at(path, str(error))
            raise StorageFailed(f"{self.location}/{path} is damaged: {error}") from error
        except NotFound:
            self.problems_at(path, "the event file is missing")
            raise

    def problems_at(self, path: str, what: str) -> None:
        """Note what is wrong with a file of the log."""
        self._loader.problems.setdefault(path, what)

    def _stored_shape(self, worker: int, step: int, tag: int) -> tuple[int, ...]:
        known = self._table.shapes
        if (worker, step, tag) not in known:            # it came from the journal, which has no shapes
            path = index_path(step, self._table.workers.names[worker])
            try:
                index = read_index(self._loader.files.read(path))
            except Damaged as error:
                raise StorageFailed(f"{self.location}/{path} is damaged: {error}") from error
            known.update({(worker, step, self._table.tag(name)): shape for name, shape in index.shapes})
        return known[worker, step, tag]
