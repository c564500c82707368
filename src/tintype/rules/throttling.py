"""The rule Throttling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from tintype.profiler.readers import JobProfile, Table
from tintype.profiler.system_metrics import CPU_THROTTLED, GPU_THROTTLED
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import LEAST_SAMPLES, in_loop, too_few
from tintype.rules.profiler_rule import Judgement, ProfilerRule
from tintype.rules.rule import Profile


@final
@dataclass(frozen=True)
class ThrottlingParameters(Parameters):
    """What Throttling can be told."""

    threshold: float = parameter(20, "per cent of the time that may be throttled", low=0, high=100)


@final
@dataclass
class Throttling(ProfilerRule[ThrottlingParameters]):
    """The hardware is held back: a GPU by heat or power, the job by the quota of its container.

    Fires when during the training loop a GPU's clock was held back (by power, heat, or the board) in more than
    `threshold` per cent of the samples, or when the kernel made the job wait in more than `threshold` per cent of the
    periods of its processor quota.

    **Needs** 20 samples of a GPU, or of a container with a quota.

    SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "Throttling"
    PARAMETERS: ClassVar[type[Parameters]] = ThrottlingParameters
    IS_SAGEMAKERS: ClassVar[bool] = False
    ADVICE: ClassVar[str] = "Cool the machine, raise the power limit, or give the container more processors."

    parameters: ThrottlingParameters = field(default_factory=ThrottlingParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        findings: list[Finding] = []
        details: dict[str, dict[str, float]] = {}
        most = 0
        for node in job.system().nodes:
            gpus = in_loop(job, job.system().table(GPU_THROTTLED, node))
            quota = in_loop(job, job.system().table(CPU_THROTTLED, node))
            most = max(most, len(gpus.times), len(quota.times))
            for name in gpus.names if len(gpus.times) >= LEAST_SAMPLES else ():
                self._add(details, node, name, 100 * float(gpus.column(name).mean()), GPU, findings)
            if len(quota.times) >= LEAST_SAMPLES:
                self._add(details, node, "quota", _mean(quota), QUOTA, findings)
        return self.judged(
            details=details, datapoints=most, triggered=len(findings), violations=len(findings),
            findings=tuple(findings),
            missing="" if details else too_few(most, LEAST_SAMPLES, "samples of a GPU's clock or a quota"),
        )  # fmt: skip

    def _add(
        self, details: dict[str, dict[str, float]], node: str, name: str, share: float, why: tuple[str, str, Remedy],
        findings: list[Finding],
    ) -> None:  # fmt: skip
        details.setdefault(node, {})[name] = round(share, 2)
        if share > self.parameters.threshold:
            words, cause, remedy = why
            message = f"{words.format(name=name)} for {share:.0f} % of the time"
            findings.append(self.finding(message, share, self.parameters.threshold, cause, remedy))


def _mean(table: Table) -> float:
    return float(np.nanmean(table.values))


GPU = (
    "the clock of {name} was held back", "it is too hot, or at its power limit",
    Remedy("cool the machine, or raise the power limit (nvidia-smi -pl) where that is allowed"),
)
QUOTA = (
    "the job was held back by the {name} of its container", "its threads want more processors than it may use",
    Remedy("give the container more processors, or the job fewer threads and workers"),
)  # fmt: skip
