"""When a tuning job has seen enough. Pure: settings and trials in, a reason out."""

from __future__ import annotations

from collections.abc import Sequence

from tintype.tuning.objective import Direction
from tintype.tuning.settings import TuningSettings
from tintype.tuning.trial import Trial, TrialStatus


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
    return None


def reason_to_give_up(settings: TuningSettings, trials: Sequence[Trial]) -> str | None:
    """Why going on is hopeless: so many trials as `give_up_after` have failed and none was completed."""
    failed = sum(trial.status is TrialStatus.FAILED for trial in trials)
    if failed < settings.give_up_after or any(trial.status is TrialStatus.COMPLETED for trial in trials):
        return None
    return f"the first {failed} trials failed"


def reason_of_failure(settings: TuningSettings, trials: Sequence[Trial]) -> str:
    """Why a tuning job has no completed trial: the first failures, and the metric that was never seen."""
    failures = [trial for trial in trials if trial.status is TrialStatus.FAILED]
    words = [f"none of {len(trials)} trials was completed"]
    words += [f"{trial.name}: {trial.reason}" for trial in failures[:3]]
    if not any(trial.history for trial in trials):
        words.append(never_seen(settings.objective, trials))
    return "; ".join(words)


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
