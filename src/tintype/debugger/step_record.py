"""What is saved of one step, before it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tintype.debugger.event import Moment
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import reduction_tag
from tintype.errors import InvalidRequest


@dataclass(frozen=True)
class SavedTensor:
    """A tensor under the name it has in the log. `original_dtype` names its type before it was widened, if it was.

    `wall_time` (seconds since the epoch) is its own where somebody gave it one, else that of its step.
    """

    tag: str
    value: np.ndarray[Any, Any]
    original_dtype: str = ""
    wall_time: float | None = None


@dataclass(frozen=True)
class DatedNumber:
    """A number with the time that it belongs to, in seconds since the epoch."""

    number: float
    wall_time: float


class LateTensors(Protocol):
    """Tensors that are still on their way (from another device) when their step is submitted.

    `fill` adds them to the record, in the thread that writes, just before it is written; `release` is called once it
    was written or lost, when nobody needs the memory any more. `nbytes` is that memory.
    """

    nbytes: int

    def fill(self, record: StepRecord) -> None: ...

    def release(self) -> None: ...


@dataclass
class StepRecord:
    """The tensors and the shapes of one step. Filled by one thread, then written whole and once.

    The arrays are not copied: they must not change until the step is written. Of two tensors with one name the later
    stays, in the place of the first.
    """

    moment: Moment
    tensors: dict[str, SavedTensor] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    late: LateTensors | None = None

    @staticmethod
    def at(global_step: int, mode: Mode, mode_step: int, wall_time: float) -> StepRecord:
        """An empty record; `InvalidRequest` for a negative step."""
        if global_step < 0 or mode_step < 0:
            raise InvalidRequest(f"steps are counted from 0, got global step {global_step}, mode step {mode_step}")
        return StepRecord(Moment(global_step, mode, mode_step, wall_time))

    def add(self, name: str, value: Any, *, original_dtype: str = "") -> None:
        """A tensor, whole: anything that `np.asarray` takes, strings among it; or a `DatedNumber`."""
        if isinstance(value, DatedNumber):
            self.tensors[name] = SavedTensor(name, np.asarray(value.number), original_dtype, value.wall_time)
        else:
            self.tensors[name] = SavedTensor(name, np.asarray(value), original_dtype)

    def add_reduction(self, name: str, op: str, value: Any, *, absolute: bool = False) -> None:
        """A reduction of the tensor `name`; numbers are kept as float32 unless `value` has a type."""
        typed = value if isinstance(value, np.ndarray | np.generic) else np.asarray(value, dtype=np.float32)
        self.add(reduction_tag(name, op, absolute=absolute), typed)

    def add_shape(self, name: str, shape: tuple[int, ...]) -> None:
        """The shape of the tensor `name`, which is in the index and costs no record."""
        self.shapes[name] = tuple(int(size) for size in shape)

    @property
    def shapes_alone(self) -> dict[str, tuple[int, ...]]:
        """The shapes of tensors that are not saved whole: of the others smdebug would lose the value over the shape."""
        return {name: shape for name, shape in self.shapes.items() if name not in self.tensors}

    def __bool__(self) -> bool:
        return bool(self.tensors or self.shapes or self.late)

    @property
    def nbytes(self) -> int:
        """The memory that the tensors hold."""
        return sum(one.value.nbytes for one in self.tensors.values()) + (self.late.nbytes if self.late else 0)
