"""The rule OverallSystemUsage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from tintype.profiler.readers import JobProfile, Table
from tintype.profiler.system_metrics import (
    ALGORITHM,
    CPU_UTILIZATION,
    GPU_MEMORY,
    GPU_UTILIZATION,
    IO_WAIT,
    MEMORY_USED,
)
from tintype.rules.parameters import Parameters
from tintype.rules.profiler_figures import summary
from tintype.rules.profiler_rule import NO_SYSTEM, Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile


@final
@dataclass(frozen=True)
class OverallSystemUsageParameters(Parameters):
    """What OverallSystemUsage can be told."""

    scan_interval_us: int = scan_parameter()


@final
@dataclass
class OverallSystemUsage(ProfilerRule[OverallSystemUsageParameters]):
    """How much of each node was used: maximum, percentiles and minimum of processors, GPUs, memory, network, disks.

    Never fires: it is the table of the report. Percentages are means over the cores or GPUs of a node, the network is
    bytes per second in both directions, "I/O" is the share of time in which cores wait for a disk.

    **Needs** system metrics.

    **Differs from SageMaker's** in nothing but that rows need not have exactly the same time to be of one sample.
    """

    NAME: ClassVar[str] = "OverallSystemUsage"
    PARAMETERS: ClassVar[type[Parameters]] = OverallSystemUsageParameters
    ADVICE: ClassVar[str] = ""

    parameters: OverallSystemUsageParameters = field(default_factory=OverallSystemUsageParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        system = job.system()
        details: dict[str, Any] = {
            metric: {} for metric in ("Network", "GPU", "CPU", "CPU memory", "GPU memory", "I/O")
        }
        datapoints = 0
        for node in system.nodes:
            network = system.table(ALGORITHM, node)
            cores = system.table(CPU_UTILIZATION, node)
            datapoints += len(cores.times)
            for metric, table in (
                ("GPU", system.table(GPU_UTILIZATION, node)),
                ("CPU", cores),
                ("CPU memory", system.table("", node, MEMORY_USED)),
                ("GPU memory", system.table(GPU_MEMORY, node)),
                ("I/O", system.table(IO_WAIT, node)),
            ):
                if table:
                    details[metric][node] = summary(table.mean())
            if network:
                details["Network"][node] = summary(_sum(network))
        return self.judged(details=details, datapoints=datapoints, missing="" if system else NO_SYSTEM)


def _sum(table: Table) -> Any:
    return np.nansum(table.values, axis=1)
