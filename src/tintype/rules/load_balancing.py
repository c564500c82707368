"""The rule LoadBalancing."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, ClassVar, final

import numpy as np

from tintype.profiler.phases import StepMode
from tintype.profiler.readers import JobProfile
from tintype.profiler.span_reader import of_mode
from tintype.profiler.system_metrics import GPU_UTILIZATION
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import LEAST_SAMPLES, Numbers, enough, in_loop, looks, too_few
from tintype.rules.profiler_rule import Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile

EDGES = np.arange(0, 100, 2)            # 49 bins; SageMaker leaves 100 % out, we count it in the last bin
SLOWER = 1.2                            # a worker whose own work takes this many times as long as another's
DIFFERENT = 0.05                        # of the mean utilisation: histograms of equal means are no imbalance


@final
@dataclass(frozen=True)
class LoadBalancingParameters(Parameters):
    """What LoadBalancing can be told."""

    threshold: float = parameter(0.2, "distance of two GPUs' workloads, 0 to 0.83", low=0, high=1)
    patience: int = parameter(1000, "samples before the profile sagemaker says anything", low=0)
    scan_interval_us: int = scan_parameter()


@final
@dataclass
class LoadBalancing(ProfilerRule[LoadBalancingParameters]):
    """Some GPUs or workers have more to do than others, and all wait for the slowest.

    Fires for each pair of GPUs of a node whose histograms of utilisation over the training loop lie further apart than
    `threshold` (the square root of the Jensen-Shannon divergence, natural logarithm: 0 to 0.83) and whose means differ
    too. Fires also for workers of a distributed training whose own work (data wait and forward, before they meet to
    average gradients) has a median 1.2 times that of the fastest, which needs no GPU.

    **Needs** 20 samples of two GPUs, or 20 steps of two workers.

    **Differs from SageMaker's**, whose last version compares the last GPU with itself only, and so never fires.

    Source: Endres and Schindelin, "A new metric for probability distributions", 2003.
    """

    NAME: ClassVar[str] = "LoadBalancing"
    PARAMETERS: ClassVar[type[Parameters]] = LoadBalancingParameters
    ADVICE: ClassVar[str] = "Give every worker batches of the same size and cost; use DistributedDataParallel."

    parameters: LoadBalancingParameters = field(default_factory=LoadBalancingParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        right = self.profile is Profile.RIGHT
        details: dict[str, Any] = {}
        findings: list[Finding] = []
        triggered = datapoints = pairs = 0
        for node in job.system().nodes:
            table = job.system().table(GPU_UTILIZATION, node)
            table = in_loop(job, table) if right else table
            datapoints += len(table.times)
            columns = {name: table.column(name) for name in table.names}
            if min((len(one) for one in columns.values()), default=0) < max(1, self._needed()):
                continue
            pairs += len(columns) * (len(columns) - 1) // 2
            workloads = {name: histogram(values) for name, values in columns.items()}
            distances: dict[str, dict[str, float]] = {}
            for first, second in combinations(columns, 2):
                far = distance(workloads[first], workloads[second])
                distances.setdefault(first, {})[second] = far
                differ = abs(columns[first].mean() - columns[second].mean()) > DIFFERENT * 100
                if right and far > self.parameters.threshold and differ:
                    triggered += 1
                    message = f"{first} and {second} of {node} are busy {columns[first].mean():.0f} % and "
                    message += f"{columns[second].mean():.0f} % of the time"
                    findings.append(self.finding(message, far, self.parameters.threshold, CAUSE, REMEDY))
            if not right:               # the last GPU with itself: a distance of 0
                triggered += sum(self.parameters.threshold < 0 for _ in looks(job, self.parameters.scan_interval_us))
            details[node] = {
                "workloads": {name: [int(one) for one in counts] for name, counts in workloads.items()},
                "distances": distances,
            }
        slow = self._slow_workers(job) if right else None
        if slow:
            findings.append(slow)
        workers = len(np.unique(of_mode(job.spans().steps, StepMode.TRAIN)["node"]))
        missing = "" if pairs or slow or workers > 1 else "one GPU or worker has nothing to be compared with"
        if datapoints and not pairs and missing and any(job.gpus(node) > 1 for node in job.system().nodes):
            missing = too_few(datapoints, self._needed())
        triggered += bool(slow)
        return self.judged(
            details=details, datapoints=datapoints, triggered=triggered, violations=triggered,
            findings=tuple(findings), missing=missing,
        )  # fmt: skip

    def _needed(self) -> int:
        patience = self.parameters.patience
        return enough(patience) if self.profile is Profile.RIGHT else patience + 1

    def _slow_workers(self, job: JobProfile) -> Finding | None:
        """Workers of a distributed training meet in the backward pass: what they do before it is their own."""
        steps = of_mode(job.spans().steps, StepMode.TRAIN)
        medians: dict[str, float] = {}
        for node in np.unique(steps["node"]):
            mine = steps[steps["node"] == node]
            own = np.nan_to_num(mine["data_wait"]) + np.nan_to_num(mine["forward"]) + np.nan_to_num(mine["loss"])
            if len(mine) >= LEAST_SAMPLES and (own > 0).any():
                medians[job.spans().nodes[node]] = float(np.median(own))
        if len(medians) < 2:
            return None
        slowest, fastest = max(medians, key=lambda one: medians[one]), min(medians, key=lambda one: medians[one])
        ratio = medians[slowest] / max(medians[fastest], 1e-6)
        if ratio <= SLOWER:
            return None
        message = (
            f"worker {slowest} takes {1000 * medians[slowest]:.1f} ms for its part of a step, and {fastest} "
            f"{1000 * medians[fastest]:.1f} ms: the others wait for it"
        )
        return self.finding(message, ratio, SLOWER, CAUSE, REMEDY)


def histogram(values: Numbers) -> Numbers:
    """How many values lie in each bin of two per cent, (49,)."""
    return np.histogram(np.minimum(values, EDGES[-1]), EDGES)[0]


def distance(first: Numbers, second: Numbers) -> float:
    """Square root of the Jensen-Shannon divergence of two histograms, natural logarithm: 0 to 0.8326."""
    p, q = first / max(1, first.sum()), second / max(1, second.sum())
    middle = (p + q) / 2

    def divergence(one: Numbers) -> float:
        some = one > 0
        return float((one[some] * np.log(one[some] / middle[some])).sum())

    return float(np.sqrt(max(0.0, (divergence(p) + divergence(q)) / 2)))


CAUSE = "batches differ in size or cost between workers, or one of them also does something else, as a main GPU does"
REMEDY = Remedy("use DistributedDataParallel instead of DataParallel, and batches of equal size and cost")
