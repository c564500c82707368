"""The rule MaxInitializationTime."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from tintype.profiler.breakdown import Activity, break_down
from tintype.profiler.readers import JobProfile
from tintype.rules.finding import Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_rule import NO_STEPS, NO_SYSTEM, Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile

MOST_OF_A_JOB = 0.5                     # of a short job: more of it should not go into its start
WORTH_SAYING = 20.0                     # seconds


@final
@dataclass(frozen=True)
class MaxInitializationTimeParameters(Parameters):
    """What MaxInitializationTime can be told."""

    threshold: float = parameter(20, "minutes until the first step", low=0)
    scan_interval_us: int = scan_parameter()


@final
@dataclass
class MaxInitializationTime(ProfilerRule[MaxInitializationTimeParameters]):
    """The job takes long to begin: to fetch data and weights, to import, to build its loader.

    Fires when the first step comes later than `threshold` minutes after the start, or when more than half of a job that
    has ended, and at least 20 seconds, went into it.

    **Needs** steps. A job without any is not judged, however long it takes.

    **Differs from SageMaker's**, which fires for every job of more than 20 minutes whose steps were not recorded.
    """

    NAME: ClassVar[str] = "MaxInitializationTime"
    PARAMETERS: ClassVar[type[Parameters]] = MaxInitializationTimeParameters
    ADVICE: ClassVar[str] = "Keep data and weights beside the machine; stream instead of downloading before the start."

    parameters: MaxInitializationTimeParameters = field(default_factory=MaxInitializationTimeParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        extent, steps, limit = job.extent, job.spans().steps, 60 * self.parameters.threshold
        if extent is None:
            return self.judged(missing=NO_SYSTEM)
        times = break_down(job)
        rows = job.system().rows["time"]
        first, last = (float(rows[0]), float(rows[-1])) if len(rows) else extent
        numbers = {"first": int(steps["start"][0] * 1e6), "last": int(steps["start"][-1] * 1e6)} if len(steps) else {}
        details = {"step_num": numbers, "job_start": first, "job_end": last}
        if self.profile is Profile.SAGEMAKER:
            looks = max(0, int((extent[1] - extent[0] - limit) // (self.parameters.scan_interval_us / 1e6)))
            fired = 0 if len(steps) else looks
            return self.judged(details=details, datapoints=len(steps), triggered=fired, violations=fired)
        if times is None:
            return self.judged(details=details, missing=NO_STEPS)
        start = times.seconds[Activity.INITIALIZATION]
        most = job.has_ended and start > MOST_OF_A_JOB * times.total and start > WORTH_SAYING
        if start <= limit and not most:
            return self.judged(details=details, datapoints=len(steps))
        message = f"the first step came after {start:.0f} s, {start / times.total:.0%} of the job"
        measured, threshold = (start / 60, self.parameters.threshold) if start > limit else (
            start / times.total, MOST_OF_A_JOB)
        found = self.finding(message, measured, threshold, CAUSE, REMEDY)
        return self.judged(details=details, datapoints=len(steps), triggered=1, violations=1, findings=(found,))


CAUSE = "data and weights are fetched, or samples are listed and decoded, before the first step"
REMEDY = Remedy("keep data and weights beside the machine; read them as the training goes on; start workers once")
