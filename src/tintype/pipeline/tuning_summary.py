"""A tuning job as JSON: what `tune`, `tuning show` and `tuning best` answer."""

from __future__ import annotations

from typing import Any

from tintype.tuning.analytics import final_objective
from tintype.tuning.earlier import WarmStartType
from tintype.tuning.state import TuningState
from tintype.tuning.trial import Trial


def described(state: TuningState) -> dict[str, Any]:
    """The JSON of `tune` and of `tuning show`."""
    settings = state.settings
    document = {
        "name": state.name,
        "status": state.status.value,
        "reason": state.reason,
        "objective": settings.objective,
        "direction": settings.direction.value,
        "strategy": settings.strategy.value,
        "counts": {status.value: count for status, count in state.counts.items()},
        "best": described_best(state.best),
        "trials": [described_trial(trial) for trial in state.trials],
        "notes": list(state.notes),
        "seconds": state.seconds,
    }
    if settings.warm_start is not None:
        document["warm_start"] = {
            "type": settings.warm_start.type.value,
            "parents": list(settings.warm_start.parents),
            "trials": len(settings.warm_start.trials),
            "overall_best": overall_best(state),
        }
    return document


def described_best(trial: Trial | None) -> dict[str, Any] | None:
    """The JSON of `tuning best`; None before a trial has completed."""
    if trial is None:
        return None
    return {"job": trial.name, "value": trial.value, "hyperparameters": dict(trial.hyperparameters)}


def described_trial(trial: Trial) -> dict[str, Any]:
    """One trial in `tuning show`."""
    return {
        "job": trial.name,
        "number": trial.number,
        "status": trial.status.value,
        "value": final_objective(trial),
        "hyperparameters": dict(trial.hyperparameters),
        "metrics": dict(trial.metrics),
        "reason": trial.reason,
        "started_at": trial.started_at,
        "ended_at": trial.ended_at,
    }


def overall_best(state: TuningState) -> dict[str, Any] | None:
    """The best of a tuning job and of the identical ones that it was started from; None when those were not."""
    warm_start = state.settings.warm_start
    if warm_start is None or warm_start.type is not WarmStartType.IDENTICAL:
        return None
    found = [
        {"job": one.job, "value": one.value, "hyperparameters": dict(one.hyperparameters)} for one in warm_start.trials
    ]
    best = described_best(state.best)
    candidates = [*found, *([best] if best else [])]
    return min(candidates, key=lambda one: state.settings.direction.rank(one["value"]), default=None)
