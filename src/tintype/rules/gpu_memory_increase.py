"""The rule GPUMemoryIncrease."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from tintype.profiler.readers import JobProfile
from tintype.profiler.system_metrics import GPU_MEMORY
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import Numbers, box, enough, in_loop, too_few
from tintype.rules.profiler_rule import NO_GPU, Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile
from tintype.rules.trend_of_memory import growth


@final
@dataclass(frozen=True)
class GPUMemoryIncreaseParameters(Parameters):
    """What GPUMemoryIncrease can be told."""

    increase: float = parameter(5, "points of per cent by which the memory may grow", low=0, high=100)
    patience: int = parameter(1000, "samples before the profile sagemaker says anything", low=0)
    window: int = parameter(10, "samples whose mean the profile sagemaker compares", low=2)
    scan_interval_us: int = scan_parameter()


@final
@dataclass
class GPUMemoryIncrease(ProfilerRule[GPUMemoryIncreaseParameters]):
    """The memory of a GPU grows as the training goes on, and will be full at some point.

    Fires for each GPU whose memory in use has grown by more than `increase` points of per cent since the first third of
    the training loop, and still grows in the last third.

    **Needs** 20 samples of a GPU. Without a GPU it says "no GPU".

    **Differs from SageMaker's**, which compares two windows of ten samples that lie one sample apart, so that a ramp
    at the start fires again and again, and a slow leak never.
    """

    NAME: ClassVar[str] = "GPUMemoryIncrease"
    PARAMETERS: ClassVar[type[Parameters]] = GPUMemoryIncreaseParameters
    ADVICE: ClassVar[str] = "Look for tensors that are kept from step to step; or take a GPU with more memory."

    parameters: GPUMemoryIncreaseParameters = field(default_factory=GPUMemoryIncreaseParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        given, right = self.parameters, self.profile is Profile.RIGHT
        details: dict[str, Any] = {}
        findings: list[Finding] = []
        triggered = datapoints = longest = 0
        for node in job.system().nodes:
            table = job.system().table(GPU_MEMORY, node)
            for name in table.names:
                values = (in_loop(job, table) if right else table).column(name)
                datapoints, longest = datapoints + len(values), max(longest, len(values))
                increase, count = self._right(name, values, findings) if right else self._sagemaker(values)
                triggered += count
                if count:
                    details.setdefault(node, {})[name] = {
                        "increase": increase, "gpu_max": float(values.max()), "p05": float(np.percentile(values, 5)),
                        **box(values), "last_timestamp": int(table.times[-1] * 1e6),
                    }  # fmt: skip
        needed = enough(given.patience) if right else given.patience + 1
        missing = NO_GPU if not datapoints else too_few(longest, needed) if longest < needed else ""
        return self.judged(
            details=details, datapoints=datapoints, triggered=triggered, violations=triggered,
            findings=tuple(findings), missing=missing,
        )  # fmt: skip

    def _sagemaker(self, values: Numbers) -> tuple[float, int]:
        """(largest increase, how often it was met); the second window is one shorter, as SageMaker's is."""
        given, sums = self.parameters, np.concatenate(([0.0], np.cumsum(values)))
        lengths = np.arange(max(given.patience, given.window) + 1, len(values) + 1)
        if not len(lengths):
            return 0.0, 0
        newest = (sums[lengths] - sums[lengths - given.window]) / given.window
        before = (sums[lengths - 2] - sums[lengths - given.window - 1]) / (given.window - 1)
        met = newest - before > given.increase
        return float((newest - before).max()), int(met.sum())

    def _right(self, name: str, values: Numbers, findings: list[Finding]) -> tuple[float, int]:
        if len(values) < enough(self.parameters.patience):
            return 0.0, 0
        trend = growth(values)
        if not trend.goes_on or trend.grown <= self.parameters.increase:
            return trend.grown, 0
        message = f"the memory of {name} grew by {trend.grown:.0f} points to {values.max():.0f} %, and still grows"
        findings.append(self.finding(message, trend.grown, self.parameters.increase, CAUSE, REMEDY))
        return trend.grown, 1


CAUSE = "something keeps tensors of past steps: a list of losses that are not detached, a cache, growing inputs"
REMEDY = Remedy("keep numbers (loss.item()) and not tensors; free what is not needed; bound caches")
