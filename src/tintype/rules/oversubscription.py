"""The rule Oversubscription."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from tintype.profiler.readers import JobProfile
from tintype.profiler.system_metrics import PROCESS_CPU, PROCESS_THREADS, RUNNABLE_TASKS, TOTAL_CPU
from tintype.rules.finding import Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import LEAST_SAMPLES, in_loop, too_few
from tintype.rules.profiler_rule import Judgement, ProfilerRule
from tintype.rules.rule import Profile

FULL = 80.0                             # per cent of all cores: below it nobody waits for one
OWN = 0.5                               # of the work of the machine that is the job's


@final
@dataclass(frozen=True)
class OversubscriptionParameters(Parameters):
    """What Oversubscription can be told."""

    threshold: float = parameter(2, "tasks that want to run for each core the job may use", low=1)


@final
@dataclass
class Oversubscription(ProfilerRule[OversubscriptionParameters]):
    """More threads want to run than there are cores, and they take turns.

    Fires when during the training loop, in the median, more than `threshold` tasks for each usable core want to run,
    the processors are full, at least half of their work is the job's, and the job has more threads than that too.

    **Needs** 20 samples of the tasks that want to run, which our sampler takes. In a container these are the machine's,
    which is why the job's own share of the work is asked for as well.

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
        for node, machine in job.machines.items():
            names = (RUNNABLE_TASKS, PROCESS_THREADS, TOTAL_CPU, PROCESS_CPU)
            tables = [in_loop(job, table) for table in job.system().together(node, *names)]
            most = max(most, len(tables[0].times))
            if not all(tables) or len(tables[0].times) < LEAST_SAMPLES:
                continue
            waiting, threads, total, own = (float(np.nanmedian(table.values)) for table in tables)
            ratio = waiting / machine.usable_cores
            details = {
                node: {"runnable": waiting, "threads": threads, "cores": machine.usable_cores, "cpu": total, "job": own}
            }
            limit = self.parameters.threshold
            mine = own >= OWN * total * machine.cores and threads > limit * machine.usable_cores
            if ratio <= limit or not mine or total < FULL * machine.usable_cores / machine.cores:
                return self.judged(details=details, datapoints=most)
            cores = f"{machine.usable_cores:g}"
            message = f"{waiting:.0f} tasks want to run on {cores} cores; the job has {threads:.0f} threads"
            remedy = Remedy(
                f"set torch.set_num_threads, or OMP_NUM_THREADS, so that it and the loader's workers are together "
                f"no more than {cores}"
            )
            found = self.finding(message, ratio, limit, CAUSE, remedy)
            return self.judged(details=details, datapoints=most, triggered=1, violations=1, findings=(found,))
        missing = too_few(most, LEAST_SAMPLES, "samples of the tasks that want to run")
        return self.judged(datapoints=most, missing=missing)


CAUSE = "each process starts as many threads as the machine has cores, and there are several processes"
