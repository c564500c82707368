"""Whether a training's own thread waits inside of its steps, where it should compute."""

from __future__ import annotations

import numpy as np

from tintype.profiler.breakdown import Breakdown
from tintype.profiler.readers import JobProfile, Table
from tintype.profiler.system_metrics import PROCESS_CPU, PROCESS_RUNNABLE

LEAST_SHARE = 0.3                       # of a step without its wait for data; threads of a pool wait for each other too
CROWDED = 1.4                           # threads that want to run for each core: the scheduler is what is waited for
OTHERS_AT_WORK = 0.5                    # cores that other threads use meanwhile
LEAST_STEPS = 20                        # the first few of any training wait for libraries and files


def waiting_inside(profile: JobProfile, times: Breakdown) -> tuple[float, str]:
    """(the share of the steps, without data wait, in which the loop's thread wants no processor; what says so).

    (0.0, "") where it does, or where that cannot be told: with a GPU, for which a thread waits by right; with several
    workers, which wait for each other; without the time that threads waited for a core; on a crowded machine; of a few
    steps.
    """
    node = times.worker.partition("-")[2]
    machine, system = profile.machines.get(node), profile.system()
    is_alone = len({name for name in profile.spans().nodes if "-loader" not in name}) == 1
    is_told = len(times.train) >= LEAST_STEPS and times.working > 0
    if machine is None or profile.gpus(node) or not is_alone or not is_told:
        return 0.0, ""
    percent, wanted = (_mean(table, times) for table in system.together(node, PROCESS_CPU, PROCESS_RUNNABLE))
    used = percent / 100
    if not 0 < used <= 1.05 * wanted or wanted > CROWDED * machine.usable_cores:
        return 0.0, ""
    own = times.working_cpu / times.working                     # cores; what it would be without a wait for a core:
    share = 1 - min(1.0, own * max(1.0, wanted / used))
    if share < LEAST_SHARE:
        return 0.0, ""
    others = used - own
    meanwhile = f"; other threads of the job used {others:.1f} cores meanwhile" if others > OTHERS_AT_WORK else ""
    return share, f"the training's thread neither ran nor waited for a core in {share:.0%} of its steps{meanwhile}"


def turns(profile: JobProfile, times: Breakdown) -> float:
    """How much longer the job's work took than its processor time, as its threads waited for their turns; 1.0: not."""
    node = times.worker.partition("-")[2]
    percent, wanted = (_mean(table, times) for table in profile.system().together(node, PROCESS_CPU, PROCESS_RUNNABLE))
    return max(1.0, 100 * wanted / percent) if percent > 0 else 1.0


def _mean(table: Table, times: Breakdown) -> float:
    """Of the samples during the loop; 0.0 without any."""
    inside = table.values[(table.times >= times.loop_start) & (table.times <= times.loop_end)]
    known = inside[np.isfinite(inside)]
    return float(known.mean()) if len(known) else 0.0
