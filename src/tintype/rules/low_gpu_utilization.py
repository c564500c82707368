"""The rule LowGPUUtilization."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from tintype.profiler.readers import JobProfile
from tintype.profiler.system_metrics import GPU_UTILIZATION
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import Numbers, box, enough, in_loop, looks, too_few
from tintype.rules.profiler_rule import NO_GPU, Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile


@final
@dataclass(frozen=True)
class LowGPUUtilizationParameters(Parameters):
    """What LowGPUUtilization can be told."""

    threshold_p95: float = parameter(70, "95th percentile in per cent below which a GPU is idle", low=0, high=100)
    threshold_p5: float = parameter(10, "5th percentile below which a busy GPU fluctuates, per cent", low=0, high=100)
    window: int = parameter(500, "samples that the profile sagemaker looks back at", low=1)
    patience: int = parameter(1000, "samples before the profile sagemaker says anything", low=0)
    scan_interval_us: int = scan_parameter()


@final
@dataclass
class LowGPUUtilization(ProfilerRule[LowGPUUtilizationParameters]):
    """A GPU that is paid for and has little to do, or that works by fits and starts.

    Fires for each GPU whose utilisation during the training loop has a 95th percentile below `threshold_p95`
    (under-utilised), or above it with a 5th percentile below `threshold_p5` (fluctuating: it waits for something).

    **Needs** 20 samples of a GPU. Without a GPU it says "no GPU".

    **Differs from SageMaker's**, which says nothing before `patience` samples (eight minutes at 500 ms), then looks at
    the last `window` samples once a minute and counts every look, and takes loading and saving for training.
    """

    NAME: ClassVar[str] = "LowGPUUtilization"
    PARAMETERS: ClassVar[type[Parameters]] = LowGPUUtilizationParameters
    ADVICE: ClassVar[str] = (
        "Find what the GPU waits for (see the limiter), enlarge the batch, or take a machine with a smaller GPU."
    )

    parameters: LowGPUUtilizationParameters = field(default_factory=LowGPUUtilizationParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        details: dict[str, Any] = {}
        findings: list[Finding] = []
        triggered = datapoints = longest = 0
        for node in job.system().nodes:
            table = job.system().table(GPU_UTILIZATION, node)
            for name in table.names:
                values, times = table.column(name), table.times[np.isfinite(table.values[:, table.names.index(name)])]
                datapoints, longest = datapoints + len(values), max(longest, len(values))
                if self.profile is Profile.SAGEMAKER:
                    count, found = self._looks(job, values, times)
                else:
                    looped = in_loop(job, table).column(name)
                    count, found = self._whole(name, looped, findings)
                triggered += count
                if found:
                    details.setdefault(node, {})[name] = {**found, "last_timestamp": int(times[-1] * 1e6)}
        needed = self.parameters.patience + 1 if self.profile is Profile.SAGEMAKER else enough(self.parameters.patience)
        missing = NO_GPU if not datapoints else too_few(longest, needed) if longest < needed else ""
        return self.judged(
            details=details, datapoints=datapoints, triggered=triggered, violations=triggered,
            findings=tuple(findings), missing=missing,
        )  # fmt: skip

    def _is_low(self, values: Numbers) -> tuple[bool, bool, float, float]:
        p5, p95 = (float(one) for one in np.percentile(values, (5, 95)))
        under = p95 < self.parameters.threshold_p95
        return under, p95 > self.parameters.threshold_p95 and p5 < self.parameters.threshold_p5, p5, p95

    def _looks(self, job: JobProfile, values: Numbers, times: Numbers) -> tuple[int, dict[str, float]]:
        """As SageMaker does: once for each minute, with everything up to then."""
        given, count, details = self.parameters, 0, {}
        for _, end in looks(job, given.scan_interval_us):
            so_far = values[times < end]
            if len(so_far) <= given.patience:
                continue
            under, fluctuates, p5, p95 = self._is_low(so_far[-given.window :])
            count += under or fluctuates
            details = {"gpu_max": float(so_far.max()), "gpu_95": p95, "gpu_5": p5, **box(so_far)}
        return count, details

    def _whole(self, name: str, values: Numbers, findings: list[Finding]) -> tuple[int, dict[str, float]]:
        if len(values) < enough(self.parameters.patience):
            return 0, {}
        under, fluctuates, p5, p95 = self._is_low(values)
        details = {"gpu_max": float(values.max()), "gpu_95": p95, "gpu_5": p5, **box(values)}
        if under:
            words = "was not used at all" if values.max() == 0 else f"was below {p95:.0f} % for 95 % of the training"
            remedy = REMEDY if values.max() else UNUSED
            findings.append(self.finding(f"{name} {words}", p95, self.parameters.threshold_p95, CAUSE, remedy))
        elif fluctuates:
            message = f"{name} goes from {p5:.0f} % to {p95:.0f} % and back: it waits for something again and again"
            findings.append(self.finding(message, p5, self.parameters.threshold_p5, CAUSE, REMEDY))
        return int(under or fluctuates), details


CAUSE = "the GPU waits: for data, for the program to launch its kernels, or for a batch that is too small for it"
REMEDY = Remedy(
    "see what limits the training; enlarge the batch, or take a smaller GPU", (Change(Knob.BATCH_SIZE, 2.0),)
)
UNUSED = Remedy("move the network and the batches to the GPU (.to('cuda')), or take a machine without one")
