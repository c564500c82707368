"""The spans of a training loop, said by the loop itself.

    spans = StepSpans(writer)
    for images, labels in spans.batches(loader):
        with spans.phase(Phase.FORWARD):
            loss = ...
        spans.finish(StepMode.TRAIN)
    with spans.outside(Outside.EVALUATION):
        ...

A step begins with its first phase and ends with `finish`; what is between two steps is in neither. The cost is about a
microsecond for each phase. A loop that is not profiled says the same to a `NoWriter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar, final

from tintype.profiler.phases import PHASES, Outside, Phase, StepMode
from tintype.profiler.span_files import Span, StepSpan

LONG_LOOK = 1_000_000                   # nanoseconds, from which on a closer look is a span of its own

T = TypeVar("T")


class Sink(Protocol):
    """Where spans go, and the clock that they are measured with."""

    @property
    def steady(self) -> Callable[[], int]:
        """Nanoseconds of a clock that never goes back."""
        ...

    def add(self, span: StepSpan | Span) -> None:
        """Take a span; never waits, never raises."""
        ...


@final
class NoWriter:
    """A `Sink` of a training that nobody profiles: no clock is read, nothing is kept."""

    def steady(self) -> int:
        """No time passes."""
        return 0

    def add(self, span: StepSpan | Span) -> None:
        """Nothing."""


@final
class PhaseTimer:
    """Adds the time of its block to a phase of the current step. Not to be nested in itself."""

    __slots__ = ("_begun", "_phase", "_spans", "_steady")

    def __init__(self, spans: StepSpans[Sink], phase: Phase) -> None:
        self._spans, self._phase, self._steady, self._begun = spans, phase, spans.writer.steady, 0

    def __enter__(self) -> None:
        self._begun = self._steady()

    def __exit__(self, *_: object) -> None:
        self._spans.add(self._phase, self._begun, self._steady())


class Look(Protocol):
    """Told where the training is, to look at some steps more closely: `closer_look.CloserLook`."""

    @property
    def is_over(self) -> bool:
        """It need not be told any more."""
        ...

    def step_begins(self, step: int) -> None:
        """Training step number `step` is about to begin."""
        ...

    def phase_ended(self, phase: Phase) -> None:
        """A phase of the current step has just ended."""
        ...


W_co = TypeVar("W_co", bound=Sink, covariant=True)


@final
class StepSpans(Generic[W_co]):
    """Collects the phases of one step after the other, and hands whole steps to a writer. Used by one thread."""

    def __init__(self, writer: W_co, look: Look | None = None) -> None:
        self.writer = writer
        self._look = look
        self._timers = {phase: PhaseTimer(self, phase) for phase in PHASES}
        self._times: dict[Phase, list[int]] = {}        # phase -> [first start, time in all]
        self._start = -1                                # of the current step; -1: it has not begun
        self._end = -1
        self._waiting_cpu = self._decoding = self._working_cpu = self._passes = 0
        self._numbers = dict.fromkeys(StepMode, 0)

    def phase(self, phase: Phase) -> PhaseTimer:
        """A block whose time is `phase`."""
        return self._timers[phase]

    def add(self, phase: Phase, start: int, end: int) -> None:
        """Time that was measured elsewhere, in nanoseconds of the writer's clock."""
        if self._start < 0:
            self._start = start
            if self._look is not None and not self._numbers[StepMode.TRAIN]:
                self._tell(0)
        self._end = end
        self._passes += phase is Phase.BACKWARD
        found = self._times.get(phase)
        if found is None:
            self._times[phase] = [start, end - start]
        else:
            found[1] += end - start
        if self._look is not None:
            self._look.phase_ended(phase)

    def add_loading(self, waiting_cpu: int, decoding: int) -> None:
        """What the loop's own thread did while it waited for data: processor time, and time in the decoder, in ns."""
        self._waiting_cpu += waiting_cpu
        self._decoding += decoding

    def set_working(self, cpu: int) -> None:
        """Processor time, in ns, that the loop's own thread has used since it had the batch of the current step."""
        self._working_cpu = cpu

    def finish(self, mode: StepMode = StepMode.TRAIN, end: int | None = None) -> None:
        """The step is over, at `end` or now. A step without any phase is none."""
        if self._start < 0:
            return
        phases = tuple([(phase, start, time) for phase, (start, time) in self._times.items()])
        number = self._numbers[mode]
        self._numbers[mode] = number + 1
        end = self.writer.steady() if end is None else end
        loading = self._waiting_cpu, self._decoding
        self.writer.add(StepSpan(mode, number, self._start, end, phases, *loading, self._working_cpu, self._passes))
        self.drop()
        if self._look is not None and mode is StepMode.TRAIN:
            self._tell(number + 1)

    @property
    def train_steps(self) -> int:
        """How many training steps there have been."""
        return self._numbers[StepMode.TRAIN]

    def _tell(self, step: int) -> None:
        """Let the closer look know that a training step begins. What it takes is no part of any step."""
        if (look := self._look) is None:
            return
        start = self.writer.steady()
        look.step_begins(step)
        if look.is_over:
            self._look = None
        if (end := self.writer.steady()) - start > LONG_LOOK:
            self.writer.add(Span(Outside.CLOSER_LOOK, Outside.CLOSER_LOOK, start, end, (("step_num", str(step)),)))

    def drop(self) -> None:
        """Forget the current step, as when a loader has come to its end."""
        self._times, self._start = {}, -1
        self._waiting_cpu = self._decoding = self._working_cpu = self._passes = 0

    @contextmanager
    def outside(self, what: Outside) -> Iterator[None]:
        """A block between steps. What it measured of phases is its own affair, and no step."""
        self.drop()
        start = self.writer.steady()
        try:
            yield
        finally:
            step = str(self._numbers[StepMode.TRAIN])
            self.writer.add(Span(what, what, start, self.writer.steady(), (("step_num", step),)))
            self.drop()

    def batches(self, source: Iterable[T]) -> Iterator[T]:
        """`source`, with the wait for each of its items as DATA_WAIT."""
        iterator = iter(source)
        while True:
            start = self.writer.steady()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            self.add(Phase.DATA_WAIT, start, self.writer.steady())
            yield batch
