"""One step of a tensor log as rules see it: its names, values and reductions, each read at most once for all rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, final

import numpy as np

from tintype.debugger.modes import Mode
from tintype.debugger.reductions import reduce
from tintype.errors import NotFound, StorageFailed
from tintype.rules.membership import Membership

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

Array = np.ndarray[Any, Any]
T = TypeVar("T")
NUMBERS = "biufc"                       # kinds of dtypes that can be reduced


@final
@dataclass(frozen=True)
class StepView:
    """A step by its global number. The rules of a job share one view of each step, and so what was read.

    What is damaged counts as not saved; the log names it in its `problems`.
    """

    log: TensorLog
    step: int                           # global
    mode: Mode                          # never GLOBAL unless the script set no mode at all
    mode_step: int
    _contents: list[tuple[str, str, bool]] = field(default_factory=list, repr=False)
    _membership: Membership = field(default_factory=Membership, repr=False)
    _names: dict[tuple[str | None, tuple[str, ...]], list[str]] = field(default_factory=dict, repr=False)
    _values: dict[str, Array | None] = field(default_factory=dict, repr=False)
    _numbers: dict[tuple[str, str, bool], Array | None] = field(default_factory=dict, repr=False)
    _derived: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def at(cls, log: TensorLog, step: int, membership: Membership | None = None) -> StepView:
        """The view of global step `step`. `NotFound` when the log has no such step.

        Views of one log that are given one `membership` find the tensors of a collection faster.
        """
        mode, mode_step = log.mode_step(step)
        return cls(log, step, mode, mode_step, log.contents(step), membership or Membership())

    @property
    def is_training(self) -> bool:
        """The step updates weights: of mode TRAIN, or of a script that never sets a mode."""
        return self.mode in (Mode.TRAIN, Mode.GLOBAL)

    def names(self, regex: str | Sequence[str] | None = None, *, collection: str | None = None) -> list[str]:
        """Base names of what was saved at this step, sorted. A collection that the log does not know has none."""
        regexes = () if regex is None else (regex,) if isinstance(regex, str) else tuple(regex)
        key = (collection, regexes)
        if key not in self._names:
            found = self._bases
            if collection is not None:
                known = self.log.collections.get(collection)
                found = [name for name in found if known is not None and self._membership.has(known, name)]
            if regexes:
                found = [name for name in found if any(re.search(one, name) for one in regexes)]
            self._names[key] = found
        return self._names[key]

    @cached_property
    def _bases(self) -> list[str]:
        return sorted({name for name, _, _ in self._contents})

    @cached_property
    def _saved(self) -> frozenset[tuple[str, str, bool]]:
        return frozenset(self._contents)

    def value(self, name: str) -> Array | None:
        """The tensor, or None when only reductions of it (or nothing) were saved at this step."""
        if name not in self._values:
            self._values[name] = None
            if (name, "", False) in self._saved:
                with suppress(NotFound, StorageFailed):
                    self._values[name] = self.log.value(name, self.step, Mode.GLOBAL)
        return self._values[name]

    def distribution(self, name: str, op: str, *, absolute: bool = False) -> Array | None:
        """A reduction, stored or computed from the tensor (see `debugger/reductions.py`); None without either."""
        key = (name, op, absolute)
        if key not in self._numbers:
            self._numbers[key] = None
            if key in self._saved:
                with suppress(NotFound, StorageFailed):
                    self._numbers[key] = self.log.distribution(name, self.step, op, absolute=absolute)
            elif (value := self.value(name)) is not None and value.dtype.kind in NUMBERS:
                self._numbers[key] = reduce(value, op, absolute=absolute)
        return self._numbers[key]

    def number(self, name: str, op: str, *, absolute: bool = False) -> float | None:
        """As `distribution`, for a reduction to one number."""
        found = self.distribution(name, op, absolute=absolute)
        return None if found is None else float(found)

    def derived(self, name: str, make: Callable[[StepView], T]) -> T:
        """What `make` makes of this step, made once for all rules; `name` is of the kind of thing."""
        if name not in self._derived:
            self._derived[name] = make(self)
        return self._derived[name]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a tensor, also of one of which only reductions were saved; None when it was not kept."""
        try:
            return self.log.shape(name, self.step, Mode.GLOBAL)
        except (NotFound, StorageFailed):
            return None

    def in_written_order(self, names: Sequence[str]) -> list[str]:
        """`names` in the order in which the hook wrote them at this step: parameters in that of the network."""
        place = {name: at for at, (name, _, _) in reversed(list(enumerate(self._contents)))}
        return sorted(names, key=lambda name: place.get(name, len(place)))
