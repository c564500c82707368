"""The rule OverallFrameworkMetrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from tintype.profiler.readers import JobProfile
from tintype.rules.correlation import aggregate, operators_of_windows
from tintype.rules.parameters import Parameters
from tintype.rules.profiler_rule import NO_STEPS, Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile


@final
@dataclass(frozen=True)
class OverallFrameworkMetricsParameters(Parameters):
    """What OverallFrameworkMetrics can be told."""

    scan_interval_us: int = scan_parameter()


@final
@dataclass
class OverallFrameworkMetrics(ProfilerRule[OverallFrameworkMetricsParameters]):
    """Where the time of the training went: modes, phases, operators, in per cent.

    Never fires: it is the material of the report's charts.

    **Needs** steps or other spans.

    **Differs from SageMaker's** in "others", the time between the first step and the last that is in no step: there it
    is taken again from itself at every event, and can become negative.
    """

    NAME: ClassVar[str] = "OverallFrameworkMetrics"
    PARAMETERS: ClassVar[type[Parameters]] = OverallFrameworkMetricsParameters
    ADVICE: ClassVar[str] = ""

    parameters: OverallFrameworkMetricsParameters = field(default_factory=OverallFrameworkMetricsParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        found = job.spans()
        if not len(found.steps) and not len(found.spans):
            return self.judged(missing=NO_STEPS)
        details = aggregate(job, found.steps, found.spans)
        details["phase"] = _with_others(found.steps, details.pop("phase_time"))
        details["phase_time"] = {}
        details |= operators_of_windows(job)
        details = {name: value for name, value in details.items() if value or name == "phase_time"}
        return self.judged(details=details, datapoints=0)


def _with_others(steps: Any, seconds: dict[str, float]) -> dict[str, float]:
    """Per cent of the time from the first step to the last, over all workers, by mode and "others"."""
    workers = max(1, len(np.unique(steps["node"])))
    whole = float((steps["start"] + steps["duration"]).max() - steps["start"].min()) if len(steps) else 0.0
    if whole <= 0:
        return {}
    shares = {name: 100 * one / workers / whole for name, one in seconds.items()}
    return {**shares, "others": max(0.0, 100 - sum(shares.values()))}
