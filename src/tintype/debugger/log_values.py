"""From a tensor's name and a step to what was saved, opening only the place where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tintype.debugger.dtypes import DTYPES
from tintype.debugger.event_decoding import Damaged
from tintype.debugger.index_file import read_index
from tintype.debugger.journal import SHAPE_ONLY
from tintype.debugger.layout import event_path, index_path
from tintype.debugger.log_loading import LogLoader
from tintype.debugger.log_steps import LogSteps
from tintype.debugger.log_table import Rows
from tintype.debugger.modes import Mode
from tintype.debugger.record_reading import read_tensor, wall_time
from tintype.errors import NotFound, StorageFailed, not_found

Array = np.ndarray[Any, Any]


@dataclass
class LogValues:
    """Reads what the rows of the table point at. `tag` is a name as stored: of a tensor, or of a reduction of one."""

    loader: LogLoader
    steps: LogSteps

    def workers(self, name: str | None) -> list[int]:
        """The number of a worker, or of all in the order of their names. Raises `NotFound`."""
        names = self.loader.table.workers.names
        if name is not None and name not in names:
            raise not_found("worker", name, names)
        return [names.index(name)] if name is not None else sorted(self.loader.table.spans, key=names.__getitem__)

    def find(self, tag: str, step: int, mode: Mode, worker: str | None) -> Any | None:
        """The row of a tag at a step, of the first worker that has it; None when nobody saved it then."""
        for _, rows in self._rows_at(tag, step, mode, worker):
            if len(tensors := rows[rows["dtype"] != SHAPE_ONLY]):
                return tensors[0]
        return None

    def _rows_at(self, tag: str, step: int, mode: Mode, worker: str | None) -> Iterator[tuple[int, Rows]]:
        table = self.loader.table
        number, at = table.tags.find(tag), self.steps.global_step(mode, step)
        if number is not None and at is not None:
            for one in self.workers(worker):
                rows = table.of_step(one, at)
                yield one, rows[rows["tag"] == number]

    def history(self, tag: str, mode: Mode, worker: str | None) -> Iterator[tuple[int, Array]]:
        """The steps (of `mode`) and values of a tag, ascending; what cannot be read is left out and noted."""
        rows = self._rows_of(tag, mode, worker)
        inline = _inline_values(rows)
        steps = rows[_step_column(mode)].tolist()
        for index, (step, code) in enumerate(zip(steps, rows["dtype"].tolist(), strict=True)):
            try:
                value = inline[code][index : index + 1].reshape(()) if code in inline else self.read(rows[index])
            except (StorageFailed, NotFound):
                continue
            yield step, value

    def series(self, name: str, mode: Mode, worker: str | None) -> tuple[Array, Array]:
        """The steps (int64) and values (float64) of a tensor where it is a single number."""
        rows = self._rows_of(name, mode, worker)
        inline = _inline_values(rows)
        codes = np.unique(rows["dtype"])
        if len(codes) == 1 and int(codes[0]) in inline and inline[int(codes[0])].dtype.kind != "c":
            return rows[_step_column(mode)].astype(np.int64), inline[int(codes[0])].astype(np.float64)
        numbers = {step: value for step, value in self.history(name, mode, worker)
                   if value.size == 1 and value.dtype.kind in "biuf"}  # fmt: skip
        return np.fromiter(numbers, np.int64), np.array([value.item() for value in numbers.values()], np.float64)

    def _rows_of(self, tag: str, mode: Mode, worker: str | None) -> Rows:
        """The rows of a tag at complete steps of a mode, ascending, one for each step: that of the first worker."""
        table = self.loader.table
        number = table.tags.find(tag)
        if number is None:
            return table.rows[:0]
        rows = table.rows[table.rows["tag"] == number]
        wanted = (rows["dtype"] != SHAPE_ONLY) & (rows["step"] <= self.steps.last_complete)
        rows = rows[wanted if mode is Mode.GLOBAL else wanted & (rows["mode"] == mode.value)]
        ranks = np.full(len(table.workers.names) + 1, -1)
        ranks[self.workers(worker)] = np.arange(len(self.workers(worker)))
        rows = rows[ranks[rows["worker"]] >= 0]
        rows = rows[np.lexsort((ranks[rows["worker"]], rows["step"]))]
        return rows[np.append(True, rows["step"][1:] != rows["step"][:-1])[: len(rows)]]

    def read(self, row: Any) -> Array:
        """What a row points at. Raises `StorageFailed` when it is damaged and `NotFound` when its file is gone."""
        if int(row["dtype"]) in DTYPES:
            return _inline_values(row.reshape(1))[int(row["dtype"])].reshape(())
        path = self._path(int(row["worker"]), int(row["step"]))
        try:
            return read_tensor(self.loader.files, path, int(row["start"]), int(row["length"]))
        except Damaged as error:
            self.loader.problems.setdefault(path, str(error))
            raise StorageFailed(f"{self.loader.files.location}/{path} is damaged: {error}") from error
        except NotFound:
            self.loader.problems.setdefault(path, "the event file is missing")
            raise

    def _path(self, worker: int, step: int) -> str:
        table = self.loader.table
        return table.files.get((worker, step)) or event_path(step, table.workers.names[worker])

    def time_of(self, step: int) -> float | None:
        """When a global step was saved, in seconds since the epoch; None when nothing but shapes was."""
        for worker in self.loader.table.spans:
            if (self.loader.table.of_step(worker, step)["dtype"] != SHAPE_ONLY).any():
                return wall_time(self.loader.files, self._path(worker, step))
        return None

    def stored_shape(self, name: str, step: int, mode: Mode, worker: str | None) -> tuple[int, ...] | None:
        """The shape of a tensor that was saved as such; None when there is none. Raises `StorageFailed`."""
        for one, rows in self._rows_at(name, step, mode, worker):
            if len(shapes := rows[rows["dtype"] == SHAPE_ONLY]):
                return self._shape(one, int(shapes["step"][0]), int(shapes["tag"][0]))
        return None

    def _shape(self, worker: int, step: int, tag: int) -> tuple[int, ...]:
        table = self.loader.table
        if (worker, step, tag) not in table.shapes:            # it came from the journal, which has no shapes
            path = index_path(step, table.workers.names[worker])
            try:
                index = read_index(self.loader.files.read(path))
            except Damaged as error:
                raise StorageFailed(f"{self.loader.files.location}/{path} is damaged: {error}") from error
            table.shapes.update({(worker, step, table.tag(name)): shape for name, shape in index.shapes})
        return table.shapes[worker, step, tag]


def _step_column(mode: Mode) -> str:
    return "step" if mode is Mode.GLOBAL else "mode_step"


def _inline_values(rows: Rows) -> dict[int, Array]:
    """By code, the numbers that rows have in themselves; only those of the rows of that code mean anything."""
    octets = np.ascontiguousarray(rows["content"]).view(np.uint8).reshape(-1, 8)
    codes = set(np.unique(rows["dtype"]).tolist()) & DTYPES.keys()
    return {code: octets[:, : DTYPES[code].itemsize].copy().view(DTYPES[code])[:, 0] for code in codes}
