"""How a trial ended: what the runner says, and what the objective says to that. Pure."""

from __future__ import annotations

import math
from dataclasses import replace

from tintype.tuning.completion import never_seen
from tintype.tuning.runner import Ended
from tintype.tuning.settings import TuningSettings
from tintype.tuning.trial import Trial, TrialStatus


def settled(settings: TuningSettings, trial: Trial, event: Ended, at: float) -> Trial:
    """The ended trial with its value. One whose objective was never reported or is not a number has Failed."""
    trial = replace(trial, result=event.result, started_at=event.started_at or trial.started_at)
    value = settings.counted.pick(trial.history, settings.direction)
    if event.status is TrialStatus.FAILED:
        return trial.ended(TrialStatus.FAILED, at, reason=event.reason)
    if value is not None and not math.isfinite(value):
        return trial.ended(TrialStatus.FAILED, at, reason=_not_a_number(settings, trial, value))
    if event.status is TrialStatus.COMPLETED and value is None:
        return trial.ended(TrialStatus.FAILED, at, reason=never_seen(settings.objective, [trial]))
    reason = trial.reason or event.reason if event.status is TrialStatus.STOPPED else event.reason
    return trial.ended(event.status, at, value=value, reason=reason)


def interrupted(trial: Trial, at: float) -> Trial:
    """The trial stopped because its tuning job was; it begins again when that goes on."""
    return replace(trial.ended(TrialStatus.STOPPED, at, reason="stopped with its tuning job"), interrupted=True)


def _not_a_number(settings: TuningSettings, trial: Trial, value: float) -> str:
    step = next(step for step, one in trial.history if not math.isfinite(one))
    return f"its objective {settings.objective!r} is {value}, and was not finite first at step {step}"
