"""One step that is being saved: what was taken so far, and its way into the log.

A tensor is either copied whole or reduced where it is, at once; nothing is waited for. When the step is over, the
numbers of all reductions and all small tensors come over together, and the thread that writes fills in the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np
from torch import Tensor

from tintype.debugger.capture_plan import DueCollections, Treatment
from tintype.debugger.capture_reductions import SMALL, reduce_all, size_of
from tintype.debugger.capture_repeats import Repeats
from tintype.debugger.capture_staging import BufferPool, Snapshot, as_array
from tintype.debugger.capture_tensors import readable
from tintype.debugger.event import Moment
from tintype.debugger.step_record import DatedNumber, StepRecord

SMALL_BYTES = 1 << 14           # up to here a tensor waits for the end of the step on its device

Named = tuple[str, Tensor]


@final
class OpenStep:
    """What is taken of one step. `due` is None for a step of which only scalars are kept."""

    def __init__(self, moment: Moment, due: DueCollections | None, pool: BufferPool) -> None:
        self.moment = moment
        self.due = due
        self.batch_sizes: set[int] = set()
        self._pool = pool
        self._counts: dict[str, int] = {}
        self._whole: dict[str, tuple[tuple[str, ...], Snapshot]] = {}      # by what they were taken as
        self._small: dict[str, Tensor] = {}
        self._numbers: dict[str, tuple[Treatment, Tensor]] = {}
        self._to_reduce: list[tuple[str, Tensor, Treatment]] = []
        self._repeats = Repeats()
        self._values: dict[str, np.ndarray[Any, Any] | DatedNumber] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}

    def next_number(self, stem: str) -> int:
        """0, then 1, ...: how often a name was used in this step."""
        number = self._counts.get(stem, 0)
        self._counts[stem] = number + 1
        return number

    def put(self, name: str, value: Any) -> None:
        """Save a number (it may be dated) or an array of the host's memory, whatever the collections say."""
        self._values[name] = value if isinstance(value, DatedNumber) else np.array(value)

    def take(self, name: str, tensor: Tensor, aliases: Iterable[str] = ()) -> None:
        """Save of a tensor what its collections want: nothing, it whole, reductions of it, its shape."""
        if self.due is None or (treatment := self.due.treatment(name, aliases)) is None:
            return
        known = self._repeats.find(tensor, treatment.reductions)
        if known is not None and not (treatment.raw or treatment.shape):
            self._numbers[name] = (treatment, known)
            return
        self._take([(name, tensor, treatment)], name)
        if name in self._numbers:
            self._repeats.note(tensor, treatment.reductions, self._numbers[name][1])

    def take_whole(self, name: str, tensor: Tensor) -> None:
        """Save a tensor whole, whatever the collections say."""
        self._take([(name, tensor, Treatment((), True, False))], name)

    def take_all(self, named: Iterable[Named], kind: str) -> None:
        """As `take` for many at once. What was taken as the same `kind` before is replaced."""
        if self.due is None:
            return
        treated = [(name, tensor, self.due.treatment(name)) for name, tensor in named]
        self._take([(name, tensor, one) for name, tensor, one in treated if one is not None], kind)

    def _take(self, wanted: Sequence[tuple[str, Tensor, Treatment]], kind: str) -> None:
        plain = [(name, values, one) for name, tensor, one in wanted if (values := readable(tensor)) is not None]
        whole: list[Named] = []
        for name, values, one in plain:
            if one.shape:
                self._shapes[name] = tuple(values.shape)
            if one.raw and values.numel() * values.element_size() <= SMALL_BYTES and len(plain) == 1:
                self._small[name] = values.clone()
            elif one.raw:
                whole.append((name, values))
        self._copy(whole, kind)
        reduced = [(name, values, one) for name, values, one in plain if one.reductions]
        if len(reduced) == 1 and reduced[0][1].numel() <= SMALL:
            name, values, one = reduced[0]
            self._to_reduce.append((name, values.clone(), one))         # with others of its size, at the end
        else:
            self._reduce(reduced)

    def _copy(self, whole: list[Named], kind: str) -> None:
        if not whole:
            return
        names, tensors = tuple(name for name, _ in whole), [tensor for _, tensor in whole]
        if kind in self._whole:
            before, snapshot = self._whole[kind]
            if before == names and snapshot.shapes == [tuple(one.shape) for one in tensors]:
                snapshot.update(tensors)
                return
            snapshot.release()
        self._whole[kind] = (names, Snapshot(self._pool, tensors))

    def _reduce(self, reduced: list[tuple[str, Tensor, Treatment]]) -> None:
        by_wish: dict[tuple[tuple[str, bool], ...], list[tuple[str, Tensor, Treatment]]] = {}
        for one in reduced:
            by_wish.setdefault(one[2].reductions, []).append(one)
        for wish, group in by_wish.items():
            results = reduce_all([values for _, values, _ in group], wish)
            for (name, _, treatment), numbers in zip(group, results, strict=True):
                self._numbers[name] = (treatment, numbers)

    @property
    def is_empty(self) -> bool:
        """Nothing was taken."""
        return not (self._whole or self._small or self._numbers or self._values or self._shapes or self._to_reduce)

    def record(self) -> StepRecord:
        """The step for the writer. Nothing may be taken after this."""
        self._reduce(self._to_reduce)
        record = StepRecord(self.moment)
        for name, shape in self._shapes.items():
            record.add_shape(name, shape)
        for name, value in self._values.items():
            record.add(name, value)
        distant = [one for one in [*self._small.values(), *(numbers for _, numbers in self._numbers.values())]
                   if one.device.type != "cpu"]  # fmt: skip
        transfer = Snapshot(self._pool, distant) if distant else None
        record.late = Arriving(self._whole, self._small, self._numbers, transfer)
        return record

    def drop(self) -> None:
        """Forget all that was taken."""
        for _, snapshot in self._whole.values():
            snapshot.release()
        self._whole, self._small, self._numbers, self._to_reduce = {}, {}, {}, []
        self._values, self._shapes, self._counts, self._repeats = {}, {}, {}, Repeats()


@final
class Arriving:
    """The tensors of a step on their way to the thread that writes it."""

    def __init__(
        self,
        whole: dict[str, tuple[tuple[str, ...], Snapshot]],
        small: dict[str, Tensor],
        numbers: dict[str, tuple[Treatment, Tensor]],
        transfer: Snapshot | None,
    ) -> None:
        self._whole, self._small, self._numbers, self._transfer = whole, small, numbers, transfer
        self.nbytes = sum(snapshot.nbytes for _, snapshot in whole.values()) + (transfer.nbytes if transfer else 0)

    def fill(self, record: StepRecord) -> None:
        """Add the tensors to the record, once they are here."""
        arrived = iter(self._transfer.arrays() if self._transfer else ())
        for name, tensor in self._small.items():
            value, original = as_array(tensor) if tensor.device.type == "cpu" else next(arrived)
            record.add(name, value, original_dtype=original)
        for name, (treatment, numbers) in self._numbers.items():
            values = numbers.numpy() if numbers.device.type == "cpu" else next(arrived)[0]
            _add_reductions(record, name, treatment, values)
        for names, snapshot in self._whole.values():
            for name, (value, original) in zip(names, snapshot.arrays(), strict=True):
                record.add(name, value, original_dtype=original)

    def release(self) -> None:
        """Give the memory back."""
        for _, snapshot in self._whole.values():
            snapshot.release()
        if self._transfer:
            self._transfer.release()


def _add_reductions(record: StepRecord, name: str, treatment: Treatment, values: np.ndarray[Any, Any]) -> None:
    position = 0
    for op, absolute in treatment.reductions:
        size = size_of(op)
        value = values[position] if size == 1 else values[position : position + size]
        record.add_reduction(name, op, value, absolute=absolute)
        position += size
