"""Where the time of a job went: every second of its loop belongs to one activity, and the sum is the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tintype.profiler.phases import PHASES, Outside, Phase, StepMode
from tintype.profiler.readers import JobProfile
from tintype.profiler.span_reader import FrameworkSpans, of_mode


class Activity(StrEnum):
    """What the main loop of a job does, in the order in which reports tell it."""

    INITIALIZATION = "initialization"           # from the start of the job to its first step
    DATA_WAIT = "data wait"
    HOST_TO_DEVICE = "host to device"
    FORWARD = "forward"
    LOSS = "loss"
    BACKWARD = "backward"
    OPTIMIZER = "optimizer"
    IN_STEP = "rest of the step"
    EVALUATION = "evaluation"
    CHECKPOINT = "checkpoint"
    CLOSER_LOOK = "the profiler"                # opening its windows, and writing them down
    BETWEEN = "between steps"
    FINALIZATION = "finalization"               # from the last step to the end


OF_PHASE: Mapping[Phase, Activity] = {
    Phase.DATA_WAIT: Activity.DATA_WAIT,
    Phase.HOST_TO_DEVICE: Activity.HOST_TO_DEVICE,
    Phase.FORWARD: Activity.FORWARD,
    Phase.LOSS: Activity.LOSS,
    Phase.BACKWARD: Activity.BACKWARD,
    Phase.OPTIMIZER: Activity.OPTIMIZER,
}
COMPUTING = (Activity.FORWARD, Activity.LOSS, Activity.BACKWARD, Activity.OPTIMIZER)


@final
@dataclass(frozen=True, eq=False)
class Breakdown:
    """The time of one worker: that with the most steps. All durations are seconds."""

    worker: str
    start: float                                # of the job; seconds since the epoch
    end: float
    loop_start: float                           # of the first step
    loop_end: float                             # of the last step, evaluation or checkpoint
    seconds: Mapping[Activity, float]           # every activity; the sum is `end - start`
    train: NDArray[Any]                         # the worker's training steps, STEP_ROW
    evaluation: NDArray[Any]
    has_phases: bool                            # False: only whole steps are known, as in smdebug's files
    waiting_cpu: float                          # processor time of the loop's thread while it waited for data
    decoding: float                             # of it in the image decoder; 0 when workers decode
    working_cpu: float                          # processor time of that thread in training steps after the wait
    working: float                              # time of these, where that is known

    @property
    def total(self) -> float:
        """The whole job."""
        return self.end - self.start

    @property
    def loop(self) -> float:
        """From the first step to the last."""
        return self.loop_end - self.loop_start

    @property
    def own(self) -> float:
        """The loop without what the profiler took for its windows."""
        return self.loop - self.seconds[Activity.CLOSER_LOOK]

    def share(self, *activities: Activity) -> float:
        """Of the loop's own time, 0..1."""
        return sum(self.seconds[one] for one in activities) / self.own if self.own > 0 else 0.0


_KNOWN: WeakKeyDictionary[JobProfile, Breakdown | None] = WeakKeyDictionary()     # many ask about the same profile


def break_down(profile: JobProfile) -> Breakdown | None:
    """Where the time went, or None when no step was recorded."""
    if profile not in _KNOWN:
        _KNOWN[profile] = _break_down(profile)
    return _KNOWN[profile]


def _break_down(profile: JobProfile) -> Breakdown | None:
    found, extent = profile.spans(), profile.extent
    training = of_mode(found.steps, StepMode.TRAIN)
    counted = training if len(training) else found.steps
    if not len(counted) or extent is None:
        return None
    node = int(np.bincount(counted["node"]).argmax())
    mine = found.steps[found.steps["node"] == node]
    train = mine[mine["mode"] == 0] if len(training) else mine
    evaluation = of_mode(mine, StepMode.EVAL) if len(training) else mine[:0]
    kinds = (Outside.EVALUATION, Outside.CHECKPOINT, Outside.CLOSER_LOOK)
    spans = {one: _of_name(found, node, one) for one in kinds}
    ends = [float((part["start"] + part["duration"]).max()) for part in (mine, *spans.values()) if len(part)]
    loop = float(mine["start"].min()), max(ends)
    seconds = _seconds(train, evaluation, spans, extent, loop)
    return Breakdown(
        found.nodes[node], *extent, *loop, seconds, train, evaluation, bool(np.isfinite(train["forward"]).any()),
        float(train["waiting_cpu"].sum()), float(train["decode"].sum()), *_working(train),
    )  # fmt: skip


def _working(train: NDArray[Any]) -> tuple[float, float]:
    known = train[train["working_cpu"] > 0]
    return float(known["working_cpu"].sum()), float((known["duration"] - np.nan_to_num(known["data_wait"])).sum())


def _seconds(
    train: NDArray[Any],
    evaluation: NDArray[Any],
    spans: Mapping[Outside, NDArray[Any]],
    extent: tuple[float, float],
    loop: tuple[float, float],
) -> dict[Activity, float]:
    seconds = dict.fromkeys(Activity, 0.0)
    for phase in PHASES:
        seconds[OF_PHASE[phase]] = float(np.nansum(train[phase.value]))
    in_steps, in_phases = float(train["duration"].sum()), sum(seconds.values())
    seconds[Activity.IN_STEP] = max(0.0, in_steps - in_phases)
    seconds[Activity.EVALUATION] = float(evaluation["duration"].sum() + spans[Outside.EVALUATION]["duration"].sum())
    seconds[Activity.CHECKPOINT] = float(spans[Outside.CHECKPOINT]["duration"].sum())
    seconds[Activity.CLOSER_LOOK] = float(spans[Outside.CLOSER_LOOK]["duration"].sum())
    seconds[Activity.BETWEEN] = max(0.0, loop[1] - loop[0] - sum(seconds.values()))
    seconds[Activity.INITIALIZATION] = loop[0] - extent[0]
    seconds[Activity.FINALIZATION] = extent[1] - loop[1]
    return seconds


def _of_name(found: FrameworkSpans, node: int, what: Outside) -> NDArray[Any]:
    if what.value not in found.names:
        return found.spans[:0]
    chosen = (found.spans["node"] == node) & (found.spans["name"] == found.names.index(what.value))
    return found.spans[chosen]


def worker_fetches(found: FrameworkSpans) -> NDArray[Any]:
    """The batches that loaders' worker processes fetched, SPAN_ROW."""
    if Outside.LOADER_WORKER.value not in found.names:
        return found.spans[:0]
    return found.spans[found.spans["name"] == found.names.index(Outside.LOADER_WORKER.value)]
