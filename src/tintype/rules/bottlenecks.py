"""What CPUBottleneck and IOBottleneck share: samples in which the GPU starves while something else is full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from tintype.profiler.breakdown import Activity, break_down
from tintype.profiler.readers import JobProfile
from tintype.profiler.system_metrics import CPU_UTILIZATION, GPU_UTILIZATION, PROCESS_CPU
from tintype.rules.correlation import correlate
from tintype.rules.finding import Remedy
from tintype.rules.profiler_figures import in_loop, processor_use, sample_means
from tintype.rules.profiler_rule import Judgement, ProfilerRule
from tintype.rules.rule import Profile
from tintype.rules.sliding import count_looks

WAITING_SHARE = 0.2                     # of the loop: with less data wait a hot core keeps nobody waiting
Met = np.ndarray[Any, Any]
MOST_LISTED = 2000                      # bottlenecks in the file; SageMaker lists all, and its reports grow with them


@final
@dataclass(frozen=True, eq=False)
class Snapshots:
    """The samples of one node, with what was low and what was full in each."""

    times: np.ndarray[Any, Any]         # (samples,)
    low: np.ndarray[Any, Any]           # (samples,) number of GPUs below the threshold
    high: np.ndarray[Any, Any]          # (samples,) number of cores above the threshold
    mean: np.ndarray[Any, Any]          # (samples,) mean of the cores that the job may use, per cent

    @property
    def bottlenecks(self) -> np.ndarray[Any, Any]:
        """SageMaker's condition, (samples,) bool."""
        return (self.low > 0) & (self.high > 0)


@final
@dataclass(frozen=True)
class Words:
    """What a rule says when it fires; `{share}` in the message is the share of the samples."""

    message: str
    cause: str
    remedy: Remedy


def snapshots(job: JobProfile, node: str, dimension: str, high: float, low: float, *, looped: bool) -> Snapshots:
    """What `dimension` of the cores and the GPUs were like, of the whole job or `looped`: of its loop."""
    cores, gpus, own = job.system().together(node, dimension, GPU_UTILIZATION, PROCESS_CPU)
    if looped:
        cores, gpus, own = in_loop(job, cores), in_loop(job, gpus), in_loop(job, own)
    if not cores:
        return Snapshots(*(np.zeros(0) for _ in range(4)))
    lows = np.nansum(gpus.values < low, axis=1) if gpus else np.zeros(len(cores.times), int)
    by_job = looped and dimension == CPU_UTILIZATION
    mean = processor_use(job, node, cores, own) if by_job else sample_means(cores)
    return Snapshots(cores.times, lows, np.nansum(cores.values > high, axis=1), mean)


def is_waiting_for_data(job: JobProfile) -> bool | None:
    """Whether the loop waits for data a notable share of its time; None when no steps tell."""
    times = break_down(job)
    if times is None or not times.has_phases:
        return None
    return times.share(Activity.DATA_WAIT) >= WAITING_SHARE


def judge_bottlenecks(
    rule: ProfilerRule[Any], job: JobProfile, found: Mapping[str, Snapshots], starved: Sequence[Met], words: Words
) -> Judgement:
    """The judgement over the snapshots of all nodes; `starved` says of each node in which of them it was met.

    As SageMaker judges, what is met is its own condition, and every look at the profile counts.
    """
    given, right = rule.parameters, rule.profile is Profile.RIGHT
    datapoints = sum(len(one.times) for one in found.values())
    if right:
        share = 100 * sum(int(one.sum()) for one in starved) / max(1, datapoints)
        count = int(share > given.threshold)
        message = words.message.format(share=f"{share:.0f} %")
        findings = (rule.finding(message, share, given.threshold, words.cause, words.remedy),) if count else ()
    else:
        limits = given.patience, given.threshold, given.scan_interval_us
        count, findings = sum(count_looks(job, one.times, one.bottlenecks, *limits) for one in found.values()), ()
    details = bottleneck_details(job, found, fired=count > 0)
    return rule.judged(
        details=details, datapoints=datapoints, triggered=count, violations=count, findings=findings
    )


def bottleneck_details(job: JobProfile, found: Mapping[str, Snapshots], *, fired: bool) -> dict[str, Any]:
    """SageMaker's Details: how often a GPU was low, and each bottleneck with its numbers of GPUs and cores."""
    listed: dict[str, dict[str, int]] = {}
    low = 0
    moments: list[float] = []
    for one in found.values():
        low += int((one.low > 0).sum())
        places = np.flatnonzero(one.bottlenecks)
        moments += [float(one.times[place]) for place in places]
        for place in places[: MOST_LISTED - len(listed)]:
            key = str(int(one.times[place] * 1e6))
            listed[key] = {"GPUs": int(one.low[place]), "CPUs": int(one.high[place])}
    return {"low_gpu_utilization": low, "bottlenecks": listed, **(correlate(job, moments) if fired else {})}
