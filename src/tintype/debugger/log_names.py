"""Which tensors a log has: by expression, collection, mode, step, worker."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tintype.debugger.collection import Collection
from tintype.debugger.journal import SHAPE_ONLY
from tintype.debugger.log_loading import LogLoader
from tintype.debugger.log_steps import LogSteps
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import REDUCTIONS, reduction_tag
from tintype.errors import InvalidRequest, not_found

SHAPE = "shape"     # what `contents` says of a tensor of which nothing but the shape was saved


@dataclass
class LogNames:
    """Answers from the rows of the table. A tensor counts when only a reduction of it, or its shape, was saved."""

    loader: LogLoader
    steps: LogSteps

    def known(self, name: str) -> int:
        """The number of a tensor in the table. Raises `NotFound` with names that are near."""
        bases = self.loader.table.bases
        if (number := bases.find(name)) is None:
            raise not_found("tensor", name, bases.names)
        return number

    def matching(
        self, regex: str | Iterable[str] | None, collection: str | Collection | None, mode: Mode, step: int | None
    ) -> list[str]:
        """The names, sorted. Raises `InvalidRequest` for a bad expression, `NotFound` for an unknown collection."""
        names = self._saved(mode, step)
        if collection is not None:
            merged = self.loader.collections.merged
            group = collection if isinstance(collection, Collection) else merged.named(collection)
            names = [name for name in names if group.matches(name)]
        if regex is not None:
            try:
                wanted = [re.compile(one) for one in ([regex] if isinstance(regex, str) else regex)]
            except re.error as error:
                raise InvalidRequest(f"{regex!r} is not a regular expression: {error}") from error
            names = [name for name in names if any(one.search(name) for one in wanted)]
        return sorted(names)

    def _saved(self, mode: Mode, step: int | None) -> list[str]:
        table = self.loader.table
        if step is not None:
            at = self.steps.global_step(mode, step)
            rows = [table.of_step(worker, -1 if at is None else at) for worker in table.spans]
        elif mode is Mode.GLOBAL:
            return list(table.bases.names)
        else:
            rows = [table.rows[table.rows["mode"] == mode.value]]
        numbers = {int(number) for one in rows for number in np.unique(one["base"])}
        return [table.bases.names[number] for number in numbers if number < len(table.bases.names)]

    def steps_of(self, name: str, mode: Mode) -> list[int]:
        """All the steps of a mode at which a tensor was saved, ascending."""
        rows = self.loader.table.rows
        at = np.unique(rows["step"][rows["base"] == self.known(name)]).tolist()
        return sorted(self.steps.in_mode(at, mode))

    def workers_of(self, name: str, step: int, mode: Mode) -> list[str]:
        """The workers that saved a tensor at a step, sorted."""
        table, base, at = self.loader.table, self.known(name), self.steps.global_step(mode, step)
        saved = (worker for worker in table.spans if at is not None and base in table.of_step(worker, at)["base"])
        return sorted(table.workers.names[worker] for worker in saved)

    def contents(self, step: int) -> list[tuple[str, str, bool]]:
        """(tensor, op, absolute) of what was saved at a global step, in the order in which it was written."""
        table, found = self.loader.table, []
        for worker in table.spans:
            for row in table.of_step(worker, step):
                operation = table.operation(int(row["tag"])) or (SHAPE if row["dtype"] == SHAPE_ONLY else "", False)
                found.append((table.bases.names[row["base"]], *operation))
        return list(dict.fromkeys(found))

    def reductions_of(self, name: str) -> list[tuple[str, bool, str]]:
        """(op, absolute, name as stored) of the reductions of a tensor that are anywhere in the log."""
        self.known(name)
        tags = [(op, absolute, reduction_tag(name, op, absolute=absolute))
                for absolute in (False, True) for op in REDUCTIONS]  # fmt: skip
        return [one for one in tags if self.loader.table.tags.find(one[2]) is not None]
