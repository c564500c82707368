"""Which steps a log has: in which mode, and written by all the workers or not yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tintype.debugger.log_loading import LogLoader
from tintype.debugger.modes import Mode
from tintype.errors import NotFound


@dataclass
class LogSteps:
    """The steps of what a loader has read so far; `forget` after it read more."""

    loader: LogLoader
    _sorted: dict[Mode, list[int]] = field(default_factory=dict)
    _last_complete: int | None = None

    def forget(self) -> None:
        """Compute everything anew when it is asked for next."""
        self._sorted.clear()
        self._last_complete = None

    def modes(self) -> list[Mode]:
        """The modes that steps were saved in, in the order of the enumeration."""
        present = {mode for mode, _ in self.loader.table.moments.values()}
        return [mode for mode in Mode if mode in present]

    def of(self, mode: Mode) -> list[int]:
        """All the steps of a mode, ascending, complete or not. Not to be changed."""
        if mode not in self._sorted:
            table = self.loader.table
            self._sorted[mode] = sorted(table.moments if mode is Mode.GLOBAL else table.by_mode.get(mode, {}))
        return self._sorted[mode]

    def complete(self, steps: Iterable[int], mode: Mode) -> list[int]:
        """Those of `steps` that will not get anything more."""
        if not self.waits:
            return list(steps)
        globally = ((step, self.global_step(mode, step)) for step in steps)
        return [step for step, at in globally if at is not None and at <= self.last_complete]

    @property
    def waits(self) -> bool:
        """True while a step may still be without the tensors of some workers."""
        return self.loader.collections.expected_workers > 1 and not self.loader.ended

    @property
    def last_complete(self) -> int:
        """The newest global step that is complete, -1 if none. What is older is complete too, or will never be."""
        if self._last_complete is None:
            spans = self.loader.table.spans.values()
            if not self.waits:
                self._last_complete = max(self.loader.table.moments, default=-1)
            elif len(spans) < self.loader.collections.expected_workers:
                self._last_complete = -1
            else:
                self._last_complete = max(set.intersection(*(set(one) for one in spans)), default=-1)
        return self._last_complete

    def mode_step(self, global_step: int) -> tuple[Mode, int]:
        """The mode of a global step and its number in that mode. Raises `NotFound`."""
        moment = self.loader.table.moments.get(global_step)
        if moment is None:
            where = self.loader.files.location
            raise NotFound(f"no step {global_step} was saved in {where}; {spelt(self.of(Mode.GLOBAL))}")
        return moment

    def global_step(self, mode: Mode, mode_step: int) -> int | None:
        """The global step of a step of a mode; None when it was not saved."""
        if mode is Mode.GLOBAL:
            return mode_step if mode_step in self.loader.table.moments else None
        return self.loader.table.by_mode.get(mode, {}).get(mode_step)

    def in_mode(self, global_steps: Iterable[int], mode: Mode) -> Iterator[int]:
        """The numbers in `mode` of those global steps that belong to it."""
        for step in global_steps:
            of, mode_step = self.loader.table.moments[step]
            if mode is Mode.GLOBAL:
                yield step
            elif mode is of:
                yield mode_step


def spelt(steps: list[int]) -> str:
    """Which steps there are, for a message."""
    if len(steps) > 8:
        return f"there are {len(steps)} steps, from {steps[0]} to {steps[-1]}"
    return f"there are steps {', '.join(map(str, steps))}" if steps else "there are no steps"
