"""When a tuning job has seen enough. Pure: settings and trials in, a reason out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import quantiles

from tintype.tuning.objective import Direction
from tintype.tuning.settings import TuningSettings
from tintype.tuning.trial import Trial, TrialStatus

# What SageMaker says when nothing came of a tuning job; the reasons follow it.
NOTHING_SUCCEEDED = (
    "No training job succeeded after {failed} attempts. "
    "Please take a look at the training job failures to get more details."
)
KINDS_SHOWN = 3                 # of failures, in a reason
_NUMBER = re.compile(r"(?<!line )(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]*\w)")
CONVERGED_TRIALS = 10           # in a row that improved the best by less than ...
CONVERGED_SHARE = 0.01          # ... this share of the spread (between the quartiles) of all completed trials


def best_trial(trials: Sequence[Trial], direction: Direction) -> Trial | None:
    """The completed trial with the best value, the earliest of equals. Stopped ones do not count, as in SageMaker."""
    completed = [trial for trial in trials if trial.status is TrialStatus.COMPLETED and trial.value is not None]
    return min(completed, key=lambda trial: (direction.rank(trial.value or 0.0), trial.number), default=None)


def reason_to_complete(settings: TuningSettings, trials: Sequence[Trial], seconds: float) -> str | None:
    """Why no more trials should be started and the running ones stopped, `seconds` after the start; None to go on."""
    best = best_trial(trials, settings.direction)
    target = settings.target_value
    if target is not None and best is not None and _reached(target, best.value, settings.direction):
        return f"trial {best.name} reached the target: {settings.objective} {best.value} (target {target})"
    if settings.max_runtime_seconds is not None and seconds >= settings.max_runtime_seconds:
        return f"the runtime of {settings.max_runtime_seconds:g} s is over"
    if _not_improving(settings, trials, best):
        return f"{settings.max_jobs_not_improving} trials in a row did not beat the best before them"
    if settings.stop_when_converged and _converged(settings.direction, trials):
        return f"converged: the last {CONVERGED_TRIALS} trials made the best hardly better"
    return None


def reason_to_give_up(settings: TuningSettings, trials: Sequence[Trial]) -> str | None:
    """Why going on is hopeless: so many trials as `give_up_after` have failed and none was completed.

    Sooner when `give_up_alike` have failed in the same way, have no hyperparameter in common that could be the cause,
    and none has measured anything: then the script or the metric's name is wrong.
    """
    failed = [trial for trial in trials if trial.status is TrialStatus.FAILED]
    if any(trial.status is TrialStatus.COMPLETED for trial in trials):
        return None
    if len(failed) >= settings.give_up_after:
        return f"the first {len(failed)} trials failed"
    alike = len(kinds_of_failure(failed)) == 1 and not any(trial.history for trial in trials)
    if len(failed) >= settings.give_up_alike and alike and _differ(settings, failed):
        return f"the first {len(failed)} trials failed in the same way, whatever their hyperparameters"
    return None


def kinds_of_failure(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The failed trials, those together that failed alike: but for their names, and numbers other than of a line."""
    kinds: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.status is TrialStatus.FAILED:
            kinds.setdefault(_NUMBER.sub("#", trial.reason.replace(trial.name, "")), []).append(trial)
    return list(kinds.values())


def _differ(settings: TuningSettings, trials: Sequence[Trial]) -> bool:
    ranges = [one.name for one in settings.space.ranges if one.size != 1]
    return all(len({trial.hyperparameters.get(name) for trial in trials}) > 1 for name in ranges)


def reason_of_failure(settings: TuningSettings, trials: Sequence[Trial]) -> str:
    """Why a tuning job has no completed trial: the first failures, and the metric that was never seen."""
    kinds = kinds_of_failure(trials)
    failures = sum(map(len, kinds))
    words = [_in_words(kind) for kind in kinds[:KINDS_SHOWN]]
    unseen = never_seen(settings.objective, trials)
    if not any(trial.history for trial in trials) and not any(unseen in one for one in words):
        words.append(unseen)
    if not failures:
        return "; ".join([f"none of {len(trials)} trials was completed", *words])
    return f"{NOTHING_SUCCEEDED.format(failed=failures)} {'; '.join(words)}"


def _in_words(kind: Sequence[Trial]) -> str:
    """One kind of failure: the first trial's reason, and how many others there are like it."""
    others = {1: "", 2: " (and one other like it)"}.get(len(kind), f" (and {len(kind) - 1} others like it)")
    return f"{kind[0].name}: {kind[0].reason}{others}"


def never_seen(objective: str, trials: Sequence[Trial]) -> str:
    """That the objective was never reported, and which metrics were."""
    names = sorted({name for trial in trials for name in trial.metrics})
    others = f"the metrics that were are {', '.join(names)}" if names else "nor was any other"
    return f"the metric {objective!r} was never reported; {others}"


def _reached(target: float, value: float | None, direction: Direction) -> bool:
    return value is not None and not direction.is_better(target, value)


def _not_improving(settings: TuningSettings, trials: Sequence[Trial], best: Trial | None) -> bool:
    if settings.max_jobs_not_improving is None or best is None:
        return False
    later = [trial for trial in trials if trial.status.is_finished and trial.number > best.number]
    return len(later) >= settings.max_jobs_not_improving


def _converged(direction: Direction, trials: Sequence[Trial]) -> bool:
    """Whether the newest completed trials improved the best by a hundredth of the usual spread, or less.

    SageMaker does not publish its rule (CompleteOnConvergence). This one needs twice `CONVERGED_TRIALS` trials, so that
    a search has ended its spread-out beginning before it can be called off.
    """
    completed = [trial for trial in trials if trial.status is TrialStatus.COMPLETED and trial.value is not None]
    values = [direction.rank(trial.value or 0.0) for trial in sorted(completed, key=lambda one: one.ended_at or 0.0)]
    if len(values) < 2 * CONVERGED_TRIALS:
        return False
    low, _, high = quantiles(values, n=4)
    return min(values[:-CONVERGED_TRIALS]) - min(values) <= CONVERGED_SHARE * (high - low)
