"""The rule StepOutlier."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from tintype.profiler.phases import MODES, PHASES, STEP_PREFIX, Phase
from tintype.profiler.readers import JobProfile
from tintype.profiler.system_metrics import PROCESS_CPU, TOTAL_CPU
from tintype.rules.correlation import aggregate
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import Numbers, histogram, looks, too_few
from tintype.rules.profiler_rule import Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile

LEAST_STEPS = 20
SAGEMAKERS_STEPS = 100                  # it says nothing with fewer
WARM_UP = 3                             # first steps: allocation, autotuning and caches make them slow, once
LEAST_COST = 0.03                       # of the time of all steps: what the outliers took longer than the median
NORMAL = 1.4826                         # standard deviations in the median absolute deviation of a normal distribution
MORE_CORES = 0.25                       # of other programs
FULL, MUCH = 90.0, 0.25                 # per cent of the processors in use; share of them that other programs use
CLEARLY = 1.5                           # times the median: what is nearer is no outlier, however even the others are


@final
@dataclass(frozen=True)
class StepOutlierParameters(Parameters):
    """What StepOutlier can be told."""

    stddev: float = parameter(3, "standard deviations above the mean from which a step is an outlier", low=0)
    mode: str | None = parameter(None, "the mode of the steps that are judged", choices=("TRAIN", "EVAL", "PREDICT"))
    n_outliers: int = parameter(10, "outliers that are no reason to say anything", low=0)
    scan_interval_us: int = scan_parameter()


@final
@dataclass
class StepOutlier(ProfilerRule[StepOutlierParameters]):
    """Some steps take much longer than the others.

    Fires when steps of one mode that take longer than the median and `stddev` standard deviations (by the median
    absolute deviation), and at least half as long again as the median, cost more than 3 % of the time of all steps, and
    there are more than `n_outliers` of them or one in fifty steps. The first three steps of a worker do not count.
    Says which phase it is that takes longer. Steps that compute for longer while other programs of the machine use a
    quarter of a core more than else, or fill its processors all along, are these programs' matter: the rule then says
    so, and does not fire.

    **Needs** 20 steps.

    **Differs from SageMaker's**, which takes mean and standard deviation, which the outliers themselves move; counts
    the forward pass alone, needs 100 steps and more than `n_outliers` outliers, however little they cost.
    """

    NAME: ClassVar[str] = "StepOutlier"
    PARAMETERS: ClassVar[type[Parameters]] = StepOutlierParameters
    ADVICE: ClassVar[str] = "See which phase is slow in these steps, and what the machine did then: disk, other jobs."

    parameters: StepOutlierParameters = field(default_factory=StepOutlierParameters)
    profile: Profile = Profile.RIGHT

    def spelt_parameters(self) -> str:
        """With the line "threshold", which SageMaker's readers count on as the first."""
        given = self.parameters
        return f"threshold:{given.stddev:g}\nmode:{given.mode}\nn_outliers:{given.n_outliers}\nstddev:{given.stddev:g}"

    def judge(self, job: JobProfile) -> Judgement:
        steps, details = job.spans().steps, {}
        findings: list[Finding] = []
        violations = triggered = longest = 0
        disturbed = ""
        slow = np.zeros(len(steps), bool)
        counted = np.ones(len(steps), bool)
        if self.profile is Profile.RIGHT:
            counted = ~job.looked_at(steps)             # torch.profiler slows its steps down
        for node in np.unique(steps["node"]):
            for mode in np.unique(steps["mode"][steps["node"] == node]):
                if self.parameters.mode not in (None, MODES[mode].value):
                    continue
                places = np.flatnonzero((steps["node"] == node) & (steps["mode"] == mode) & counted)
                longest = max(longest, len(places))
                outliers, count, why_not = self._outliers(job, steps[places], findings)
                disturbed = disturbed or why_not
                violations, triggered = violations + int(outliers.sum()), triggered + count
                slow[places[outliers]] = count > 0
                worker = job.spans().nodes[node]
                if count and worker not in details:
                    details[worker] = _step_details(steps[places], outliers, int(mode))
        needed = LEAST_STEPS if self.profile is Profile.RIGHT else SAGEMAKERS_STEPS + 1
        correlated = aggregate(job, steps[slow], job.spans().spans[:0]) if slow.any() else {}
        return self.judged(
            details={"step_details": details, **correlated}, datapoints=len(steps), triggered=triggered,
            violations=violations, findings=tuple(findings),
            missing=too_few(longest, needed, "steps of a mode") if longest < needed else "" if findings else disturbed,
        )  # fmt: skip

    def _outliers(self, job: JobProfile, steps: Numbers, findings: list[Finding]) -> tuple[Numbers, int, str]:
        """(which steps, how often it fires, why it does not where it otherwise would)."""
        if self.profile is Profile.RIGHT:
            return self._right(job, steps, findings)
        durations, fired = steps["duration"], 0
        outliers = np.zeros(len(steps), bool)
        for _, end in looks(job, self.parameters.scan_interval_us):
            length = int(np.searchsorted(steps["start"], end))
            if length <= SAGEMAKERS_STEPS:
                continue
            limit = durations[:length].mean() + self.parameters.stddev * durations[:length].std()
            found = durations[:length] > limit
            if found.sum() > self.parameters.n_outliers:
                fired, outliers = fired + 1, np.concatenate((found, np.zeros(len(steps) - length, bool)))
        return outliers, fired, ""

    def _right(self, job: JobProfile, steps: Numbers, findings: list[Finding]) -> tuple[Numbers, int, str]:
        durations, none = steps["duration"], np.zeros(len(steps), bool)
        if len(steps) < LEAST_STEPS:
            return none, 0, ""
        counted = durations[WARM_UP:]
        median = float(np.median(counted))
        spread = NORMAL * float(np.median(np.abs(counted - median)))
        limit = max(median + self.parameters.stddev * spread, CLEARLY * median)
        outliers = durations > limit
        outliers[:WARM_UP] = False
        count, cost = int(outliers.sum()), float((durations[outliers] - median).sum() / durations.sum())
        many = count > self.parameters.n_outliers or 50 * count >= len(counted)
        if cost < LEAST_COST or not many or count < 2:
            return none, 0, ""
        phase, share = _guilty(steps, outliers)
        where = f", {share:.0%} of it in {phase}" if phase else ""
        message = (
            f"{count} of {len(counted)} steps ({MODES[steps['mode'][0]].value}) took more than {limit:.3g} s, where "
            f"the median is {median:.3g} s; they cost {cost:.0%} of the time{where}"
        )
        others = _others(job, steps, outliers)
        if others and phase in COMPUTING:
            return none, 0, f"{message}; but {others}, which is no matter of this training"
        others = others if others != ALL_ALONG else ""
        cause, remedy = (others, ALONE) if others else (CAUSES.get(phase, CAUSES[""]), REMEDY)
        findings.append(self.finding(message, cost, LEAST_COST, cause, remedy))
        return outliers, 1, ""


def _guilty(steps: Numbers, outliers: Numbers) -> tuple[str, float]:
    """The phase that takes most of what the outliers take longer, and its share; "" when phases are not known."""
    extra = {
        phase.value: float((steps[phase.value][outliers] - np.median(steps[phase.value][~outliers])).sum())
        for phase in PHASES
        if np.isfinite(steps[phase.value]).all()
    }
    whole = float((steps["duration"][outliers] - np.median(steps["duration"][~outliers])).sum())
    most = max(extra, key=lambda one: extra[one], default="")
    return (most.replace("_", " "), min(1.0, extra[most] / whole)) if most and extra[most] > 0.3 * whole else ("", 0.0)


def _others(job: JobProfile, steps: Numbers, outliers: Numbers) -> str:
    """That other programs held these steps up, in words: then more than else, or all along. "" when they did not."""
    node = job.spans().nodes[steps["node"][0]].partition("-")[2]
    total, own = job.system().together(node, TOTAL_CPU, PROCESS_CPU)
    if node not in job.machines or not total.names or not own.names:
        return ""
    used = np.nan_to_num(job.machines[node].cores * total.values[:, 0] - own.values[:, 0]) / 100
    middles = steps["start"] + steps["duration"] / 2
    during = used[np.minimum(np.searchsorted(total.times, middles), len(used) - 1)]
    then, else_ = float(during[outliers].mean()), float(during[~outliers].mean())
    if then > else_ + MORE_CORES:
        return OTHERS.format(then)
    inside = (total.times >= steps["start"][0]) & (total.times <= steps["start"][-1])
    is_full = inside.any() and float(np.nanmedian(total.values[inside, 0])) > FULL
    return ALL_ALONG if is_full and float(during.mean()) > MUCH * job.machines[node].cores else ""


def _step_details(steps: Numbers, outliers: Numbers, mode: int) -> dict[str, Any]:
    durations = steps["duration"]
    p99, p95, p50 = (float(one) for one in np.percentile(durations, (99, 95, 50)))
    return {
        "step_stats": {
            "mean": float(durations.mean()), "max": float(durations.max()), "p99": p99, "p95": p95, "p50": p50,
            "min": float(durations.min()),
        },
        "number_of_outliers": int(outliers.sum()), "phase": f"{STEP_PREFIX}{MODES[mode].value}",
        "stddev": round(float(durations.std()), 2), **histogram(durations[~outliers]),
        "step_numbers": [str(one) for one in steps["number"][outliers]],
    }  # fmt: skip


CAUSES = {
    "data wait": "some samples take long to load: large files, a slow disk, a worker that stalls",
    "": "something else took the machine: another job, garbage collection, saving, a disk",
}
COMPUTING = {phase.value for phase in (Phase.FORWARD, Phase.LOSS, Phase.BACKWARD, Phase.OPTIMIZER)}
ALL_ALONG = "other programs filled the processors all along"
OTHERS = "other programs took the processors: they used {:.1f} cores during these steps, clearly more than else"
ALONE = Remedy("run it on a machine, or in a container, that it has for itself")
REMEDY = Remedy("look at these steps in the timeline; for slow samples, find and shrink them, or prefetch")
