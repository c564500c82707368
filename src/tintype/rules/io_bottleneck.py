"""The rule IOBottleneck."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from tintype.profiler.readers import JobProfile
from tintype.profiler.system_metrics import IO_WAIT
from tintype.rules.bottlenecks import Words, bottleneck_details, is_waiting_for_data, judge_bottlenecks, snapshots
from tintype.rules.finding import Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import enough, too_few
from tintype.rules.profiler_rule import NO_GPU, NO_SYSTEM, Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile


@final
@dataclass(frozen=True)
class IOBottleneckParameters(Parameters):
    """What IOBottleneck can be told."""

    threshold: float = parameter(50, "per cent of the samples that must be bottlenecks", low=0, high=100)
    io_threshold: float = parameter(50, "per cent of a core's time spent waiting for a disk", low=0, high=100)
    gpu_threshold: float = parameter(10, "per cent below which a GPU starves", low=0, high=100)
    patience: int = parameter(1000, "samples before the profile sagemaker says anything", low=0)
    scan_interval_us: int = scan_parameter()


@final
@dataclass
class IOBottleneck(ProfilerRule[IOBottleneckParameters]):
    """The training waits for a disk.

    Fires when in more than `threshold` per cent of the samples of the training loop a core waits for a disk for more
    than `io_threshold` per cent of its time while a GPU is below `gpu_threshold`. Without a GPU, the loop must wait for
    data for a fifth of its time instead.

    **Needs** 20 samples of the cores' I/O wait; without a GPU, steps with their phases.

    **Differs from SageMaker's**, which says nothing before `patience` samples, nothing at all without a GPU, and counts
    every look of a minute.
    """

    NAME: ClassVar[str] = "IOBottleneck"
    PARAMETERS: ClassVar[type[Parameters]] = IOBottleneckParameters
    ADVICE: ClassVar[str] = "A faster or a local disk, few large files instead of many small ones, prefetching."

    parameters: IOBottleneckParameters = field(default_factory=IOBottleneckParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        given, right = self.parameters, self.profile is Profile.RIGHT
        found = {
            node: snapshots(job, node, IO_WAIT, given.io_threshold, given.gpu_threshold, looped=right)
            for node in job.system().nodes
        }
        datapoints, gpus = sum(len(one.times) for one in found.values()), sum(map(job.gpus, found))
        needed = enough(given.patience) if right else given.patience + 1
        missing = NO_SYSTEM if not datapoints else too_few(datapoints, needed) if datapoints < needed else ""
        waits = is_waiting_for_data(job)
        if not missing and not gpus and (waits is None or not right):
            missing = NO_GPU
        if missing:
            details = bottleneck_details(job, found, fired=False)
            return self.judged(details=details, datapoints=datapoints, missing=missing)
        idle = [one.low > 0 if gpus else np.full(len(one.times), bool(waits)) for one in found.values()]
        starved = [(one.high > 0) & nothing for one, nothing in zip(found.values(), idle, strict=True)]
        return judge_bottlenecks(self, job, found, starved, WORDS)


WORDS = Words(
    "in {share} of the samples a core waited for the disk while the training had nothing to do",
    "files are read more slowly than the training uses them",
    Remedy("copy the data to a local disk or into memory first, pack small files into large ones, and prefetch"),
)
