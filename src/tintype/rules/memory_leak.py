"""The rule MemoryLeak."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from tintype.profiler.phases import Outside
from tintype.profiler.readers import JobProfile, Table
from tintype.profiler.system_metrics import PROCESS_MEMORY
from tintype.rules.finding import Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import LEAST_SAMPLES, in_loop, too_few
from tintype.rules.profiler_rule import Judgement, ProfilerRule
from tintype.rules.rule import Profile
from tintype.rules.trend_of_memory import growth

MEGABYTE = 1e6
LEAST_STEPS = 30
LONG_LOOK = 0.1                         # seconds that the profiler took, from which on it may have taken memory, too


@final
@dataclass(frozen=True)
class MemoryLeakParameters(Parameters):
    """What MemoryLeak can be told."""

    increase: float = parameter(10, "per cent by which the memory of the job may grow", low=0)
    least_megabytes: float = parameter(50, "growth below which nothing is said", low=0)


@final
@dataclass
class MemoryLeak(ProfilerRule[MemoryLeakParameters]):
    """The memory of the job's processes grows as the training goes on, until the machine kills it.

    Fires when the resident memory of the job, by the floors (10th percentiles) of sixths of the training loop, has
    grown by more than `increase` per cent and `least_megabytes` since the second sixth, in at least four of five steps
    and the last: large batches now and then lift the peaks, and only what is kept lifts the floor.

    **Needs** 20 samples of the job's memory, which our sampler takes (SageMaker's files only have the machine's), and
    30 steps where steps are known: the first few of any training allocate what all others use. Samples before the end
    of the profiler's own window of operators do not count: reading it takes memory.

    SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "MemoryLeak"
    PARAMETERS: ClassVar[type[Parameters]] = MemoryLeakParameters
    IS_SAGEMAKERS: ClassVar[bool] = False
    ADVICE: ClassVar[str] = "Keep numbers and not tensors from step to step; bound caches; restart loader workers."

    parameters: MemoryLeakParameters = field(default_factory=MemoryLeakParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        given = self.parameters
        if 0 < (steps := len(job.steps())) < LEAST_STEPS:
            return self.judged(datapoints=steps, missing=too_few(steps, LEAST_STEPS, "steps"))
        count = 0
        for node in job.system().nodes:
            table = _undisturbed(job, in_loop(job, job.system().table(PROCESS_MEMORY, node)))
            count = max(count, len(table.times))
            if len(table.times) < LEAST_SAMPLES:
                continue
            values = table.values.ravel()
            trend, hours = growth(values), (table.times[-1] - table.times[0]) / 3600
            percent = 100 * trend.grown / max(1.0, trend.start)
            figures = {"start": trend.start, "grown": trend.grown, "increase": percent, "max": float(values.max())}
            details = {node: figures}
            if trend.goes_on and percent > given.increase and trend.grown > given.least_megabytes * MEGABYTE:
                message = (
                    f"the memory of the job grew by {trend.grown / MEGABYTE:,.0f} MB to {values.max() / MEGABYTE:,.0f} "
                    f"MB, and still grows: {1.5 * trend.grown / MEGABYTE / max(hours, 1e-6):,.0f} MB an hour"
                )
                found = self.finding(message, percent, given.increase, CAUSE, REMEDY)
                return self.judged(
                    details=details, datapoints=len(values), triggered=1, violations=1, findings=(found,)
                )
            return self.judged(details=details, datapoints=len(values))
        return self.judged(datapoints=count, missing=too_few(count, LEAST_SAMPLES, "samples of the job's memory"))


def _undisturbed(job: JobProfile, table: Table) -> Table:
    """The samples since the profiler's last window of operators: reading it takes memory that the process keeps."""
    found = job.spans()
    if Outside.CLOSER_LOOK.value not in found.names:
        return table
    of_profiler = found.spans["name"] == found.names.index(Outside.CLOSER_LOOK.value)
    looks = found.spans[of_profiler & (found.spans["duration"] >= LONG_LOOK)]
    since = float((looks["start"] + looks["duration"]).max()) if len(looks) else 0.0
    later = table.times > since
    return Table(table.times[later], table.names, table.values[later])


CAUSE = "something keeps what past steps made: losses that are not detached, lists of outputs, a cache without a limit"
REMEDY = Remedy("keep numbers (loss.item()) and not tensors; bound caches; in workers, hold arrays and not lists")
