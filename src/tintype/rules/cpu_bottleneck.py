"""The rule CPUBottleneck."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from tintype.profiler.readers import JobProfile
from tintype.profiler.system_metrics import CPU_UTILIZATION
from tintype.rules.bottlenecks import Words, bottleneck_details, is_waiting_for_data, judge_bottlenecks, snapshots
from tintype.rules.finding import Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import enough, too_few
from tintype.rules.profiler_rule import NO_GPU, Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile


@final
@dataclass(frozen=True)
class CPUBottleneckParameters(Parameters):
    """What CPUBottleneck can be told."""

    threshold: float = parameter(50, "per cent of the samples that must be bottlenecks", low=0, high=100)
    cpu_threshold: float = parameter(90, "per cent above which a processor is full", low=0, high=100)
    gpu_threshold: float = parameter(10, "per cent below which a GPU starves", low=0, high=100)
    patience: int = parameter(1000, "samples before the profile sagemaker says anything", low=0)
    scan_interval_us: int = scan_parameter()


@final
@dataclass
class CPUBottleneck(ProfilerRule[CPUBottleneckParameters]):
    """The GPU starves while processors are full: they prepare data too slowly.

    Fires when in more than `threshold` per cent of the samples of the training loop a GPU is below `gpu_threshold`
    while the processors together are above `cpu_threshold`, or while one core is and the loop waits for data for a
    fifth of its time (one process that loads, on a machine with many idle cores). In a container with a quota it is the
    quota that is full.

    **Needs** 20 samples of a GPU. Without a GPU it says "no GPU": there the processors are what computes, and the
    limiter tells whether they compute or load.

    **Differs from SageMaker's**, which takes any single hot core for a bottleneck, also one that computes, says nothing
    before `patience` samples, and counts every look of a minute.
    """

    NAME: ClassVar[str] = "CPUBottleneck"
    PARAMETERS: ClassVar[type[Parameters]] = CPUBottleneckParameters
    ADVICE: ClassVar[str] = "More loader workers, prefetching, decoded or smaller images, transforms on the GPU."

    parameters: CPUBottleneckParameters = field(default_factory=CPUBottleneckParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        given, right = self.parameters, self.profile is Profile.RIGHT
        found = {
            node: snapshots(job, node, CPU_UTILIZATION, given.cpu_threshold, given.gpu_threshold, looped=right)
            for node in job.system().nodes
        }
        datapoints = sum(len(one.times) for one in found.values())
        needed = enough(given.patience) if right else given.patience + 1
        if not any(map(job.gpus, found)):
            missing = NO_GPU
        else:
            missing = too_few(datapoints, needed) if datapoints < needed else ""
        if missing:
            details = bottleneck_details(job, found, fired=False)
            return self.judged(details=details, datapoints=datapoints, missing=missing)
        waits = bool(is_waiting_for_data(job))
        full = [(one.mean > given.cpu_threshold) | ((one.high > 0) & waits) for one in found.values()]
        starved = [(one.low > 0) & hot for one, hot in zip(found.values(), full, strict=True)]
        return judge_bottlenecks(self, job, found, starved, WORDS)


WORDS = Words(
    "in {share} of the samples a GPU starved while processors were full",
    "images are decoded and transformed more slowly than the GPU learns from them",
    Remedy("use more loader workers, up to the number of cores; decode once into a cache; transform on the GPU"),
)
