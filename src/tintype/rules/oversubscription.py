"""The rule Oversubscription."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, final

import numpy as np

from tintype.profiler.readers import JobProfile, Table
from tintype.profiler.system_metrics import PROCESS_CPU, PROCESS_RUNNABLE, PROCESS_THREADS, RUNNABLE_TASKS, TOTAL_CPU
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import LEAST_SAMPLES, in_loop, too_few
from tintype.rules.profiler_rule import Judgement, ProfilerRule
from tintype.rules.rule import Profile

SERIES = (PROCESS_RUNNABLE, PROCESS_THREADS, TOTAL_CPU, PROCESS_CPU, RUNNABLE_TASKS)
FULL = 80.0                             # per cent of all cores: below it nobody waits for one
OWN = 0.1                               # of the work of the machine that is the job's


@final
class Crowd(NamedTuple):
    """What a node's threads do during the loop."""

    wanting: float                      # threads of the job that run or wait for a core, in the mean
    threads: float                      # of the job
    cpu: float                          # per cent of all cores
    job: float                          # per cent of one core


@final
@dataclass(frozen=True)
class OversubscriptionParameters(Parameters):
    """What Oversubscription can be told."""

    threshold: float = parameter(1.4, "threads of the job that want to run for each core it may use", low=1)


@final
@dataclass
class Oversubscription(ProfilerRule[OversubscriptionParameters]):
    """More threads want to run than there are cores, and they take turns.

    Fires when during the training loop, in the mean, more than `threshold` threads of the job for each usable core run
    or wait for a core, the processors are full, and at least a tenth of their work is the job's. It is the threads
    that want to run that count, not those that there are: a loader's workers that wait for something cost nothing.

    **Needs** 20 samples of the job's threads that want to run, which our sampler takes from the kernel's accounts of
    each thread. Where the kernel keeps none, the tasks of the whole machine are taken, in the share that the job has in
    its work.

    SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "Oversubscription"
    PARAMETERS: ClassVar[type[Parameters]] = OversubscriptionParameters
    IS_SAGEMAKERS: ClassVar[bool] = False
    ADVICE: ClassVar[str] = "Threads of torch and of loader workers together: no more than there are cores."

    parameters: OversubscriptionParameters = field(default_factory=OversubscriptionParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        most = 0
        details: dict[str, dict[str, float]] = {}
        findings: list[Finding] = []
        for node, machine in job.machines.items():
            tables = [in_loop(job, table) for table in job.system().together(node, *SERIES)]
            crowd = _crowd(tables, machine.cores)
            most = max(most, len(tables[0].times))
            if len(tables[0].times) < LEAST_SAMPLES or not np.isfinite(crowd.wanting):
                continue
            details[node] = {name: round(figure, 2) for name, figure in crowd._asdict().items()}
            details[node]["cores"] = machine.usable_cores
            ratio = crowd.wanting / machine.usable_cores
            full = crowd.cpu >= FULL * machine.usable_cores / machine.cores
            if ratio > self.parameters.threshold and full and crowd.job >= OWN * crowd.cpu * machine.usable_cores:
                findings.append(self._finding(crowd, machine.usable_cores, ratio))
        return self.judged(
            details=details, datapoints=most, triggered=len(findings), violations=len(findings),
            findings=tuple(findings),
            missing="" if details else too_few(most, LEAST_SAMPLES, "samples of the threads that want to run"),
        )  # fmt: skip

    def _finding(self, crowd: Crowd, cores: float, ratio: float) -> Finding:
        message = f"{crowd.wanting:.1f} of the job's {crowd.threads:.0f} threads want to run on {cores:g} cores"
        remedy = Remedy(
            "set torch.set_num_threads, or OMP_NUM_THREADS, in each process (loader workers too) so that all threads "
            f"together are no more than {cores:g}"
        )
        return self.finding(message, ratio, self.parameters.threshold, CAUSE, remedy)


def _crowd(tables: Sequence[Table], cores: int) -> Crowd:
    wanting, threads, total, own, runnable = (table.values[np.isfinite(table.values)] for table in tables)
    middle = [float(np.median(one)) if len(one) else np.nan for one in (threads, total, own)]
    if len(wanting) >= LEAST_SAMPLES:
        return Crowd(float(wanting.mean()), *middle)
    share = min(1.0, middle[2] / max(1e-9, middle[1] * cores))
    return Crowd(float(runnable.mean()) * share if len(runnable) else np.nan, *middle)


CAUSE = "several processes have as many threads each as the machine has cores, or one has more"
