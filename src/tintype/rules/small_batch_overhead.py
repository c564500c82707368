"""The rule SmallBatchOverhead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from tintype.profiler.breakdown import break_down
from tintype.profiler.readers import JobProfile
from tintype.profiler.span_reader import STEP_ROW
from tintype.rules.finding import Change, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import LEAST_SAMPLES, too_few
from tintype.rules.profiler_rule import Judgement, ProfilerRule
from tintype.rules.rule import Profile

TINY_MILLISECONDS = 2.0


@final
@dataclass(frozen=True)
class SmallBatchOverheadParameters(Parameters):
    """What SmallBatchOverhead can be told."""

    step_milliseconds: float = parameter(10, "median time of a step, without data wait, below which it is small", low=0)
    threshold: float = parameter(35, "per cent of a step that need not grow with the batch", low=0, high=100)


@final
@dataclass
class SmallBatchOverhead(ProfilerRule[SmallBatchOverheadParameters]):
    """Steps so small that the program around the computing is what takes the time.

    Fires when the median step takes less than `step_milliseconds` without its wait for data, and more than `threshold`
    per cent of the steps' time is the optimiser and what is in none of the phases: neither grows with the batch, so
    that a larger one has more images for the same price. Fires also when the median step takes less than two
    milliseconds: about as long as it takes to call the framework. A step that accumulates gradients counts as several,
    one for each of its backward passes.

    **Needs** 20 training steps with their phases.

    SageMaker has no such rule; its BatchSize needs a GPU.
    """

    NAME: ClassVar[str] = "SmallBatchOverhead"
    PARAMETERS: ClassVar[type[Parameters]] = SmallBatchOverheadParameters
    IS_SAGEMAKERS: ClassVar[bool] = False
    ADVICE: ClassVar[str] = "Enlarge the batch, and the learning rate with it."

    parameters: SmallBatchOverheadParameters = field(default_factory=SmallBatchOverheadParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        given, times = self.parameters, break_down(job)
        steps = times.train if times and times.has_phases else np.zeros(0, STEP_ROW)
        if len(steps) < LEAST_SAMPLES:
            return self.judged(datapoints=len(steps), missing=too_few(len(steps), LEAST_SAMPLES, "steps with phases"))
        busy = steps["duration"] - np.nan_to_num(steps["data_wait"])
        growing = np.nansum([steps[one] for one in ("forward", "loss", "backward", "host_to_device")], axis=0)
        of_pass = busy / np.maximum(1, steps["passes"])             # accumulated gradients are of several batches
        median, share = 1000 * float(np.median(of_pass)), 100 * float(1 - growing.sum() / max(1e-9, busy.sum()))
        details = {"step_milliseconds": round(median, 3), "overhead_percent": round(share, 2)}
        tiny = median < min(TINY_MILLISECONDS, given.step_milliseconds)
        if not tiny and (median >= given.step_milliseconds or share <= given.threshold):
            return self.judged(details=details, datapoints=len(steps))
        what = "pass" if np.median(steps["passes"]) > 1 else "step"
        message = f"a {what} takes {median:.1f} ms, and {share:.0f} % of it does not grow with the batch"
        found = self.finding(message, share, given.threshold, CAUSE, REMEDY)
        return self.judged(details=details, datapoints=len(steps), triggered=1, violations=1, findings=(found,))


CAUSE = "the batch is small for the network: calling the program's parts takes longer than what they compute"
REMEDY = Remedy("enlarge the batch four times, and the learning rate with it", (Change(Knob.BATCH_SIZE, 4.0),))
