"""The rule SlowDecode."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from tintype.profiler.breakdown import Activity, break_down, worker_fetches
from tintype.profiler.readers import JobProfile
from tintype.rules.finding import Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import LEAST_SAMPLES, too_few
from tintype.rules.profiler_rule import Judgement, ProfilerRule
from tintype.rules.rule import Profile


@final
@dataclass(frozen=True)
class SlowDecodeParameters(Parameters):
    """What SlowDecode can be told."""

    wait_percent: float = parameter(20, "per cent of the loop that may be waiting for data", low=0, high=100)
    decode_percent: float = parameter(40, "per cent of the fetching that may be decoding", low=0, high=100)


@final
@dataclass
class SlowDecode(ProfilerRule[SlowDecodeParameters]):
    """The training waits while images are decoded: they are far larger than what the network sees.

    Fires when the loop waits for data for at least `wait_percent` of its time, and at least `decode_percent` of the
    time in which samples are fetched is spent in the image decoder (of the loop's own process, or of its workers).

    **Needs** 20 training steps with their phases. The decoder is Pillow's; others are not seen.

    SageMaker has no such rule.
    """

    NAME: ClassVar[str] = "SlowDecode"
    PARAMETERS: ClassVar[type[Parameters]] = SlowDecodeParameters
    IS_SAGEMAKERS: ClassVar[bool] = False
    ADVICE: ClassVar[str] = "Decode once: keep images at the size that the network sees, or cache them decoded."

    parameters: SlowDecodeParameters = field(default_factory=SlowDecodeParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        given, times = self.parameters, break_down(job)
        count = len(times.train) if times and times.has_phases else 0
        if times is None or count < LEAST_SAMPLES:
            return self.judged(datapoints=count, missing=too_few(count, LEAST_SAMPLES, "steps with phases"))
        fetches = worker_fetches(job.spans())
        whole = float(fetches["duration"].sum()) if len(fetches) else times.seconds[Activity.DATA_WAIT]
        decoding = float(fetches["decode"].sum()) if len(fetches) else times.decoding
        waiting, share = 100 * times.share(Activity.DATA_WAIT), 100 * decoding / max(1e-9, whole)
        details = {"wait_percent": round(waiting, 2), "decode_percent": round(share, 2)}
        if waiting < given.wait_percent or share < given.decode_percent:
            return self.judged(details=details, datapoints=count)
        message = f"the training waits for data {waiting:.0f} % of its time; {share:.0f} % of the fetching is decoding"
        found = self.finding(message, share, given.decode_percent, CAUSE, REMEDY)
        return self.judged(details=details, datapoints=count, triggered=1, violations=1, findings=(found,))


CAUSE = "images are decoded at full size in every epoch, and then made small"
REMEDY = Remedy("store images at the size that is used, decode at reduced scale (Image.draft), or cache them decoded")
