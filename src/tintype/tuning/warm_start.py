"""A tuning job that begins with what others found. Pure: their states in, a `WarmStart` or a refusal out.

What they found is copied when the tuning job is asked for, so that it goes on in the same way after any interruption,
even when a parent is deleted. A parent's own parents are not looked at, as in SageMaker.
"""

from __future__ import annotations

from collections.abc import Sequence

from tintype.errors import InvalidRequest
from tintype.tuning.earlier import Earlier, WarmStart, WarmStartType
from tintype.tuning.settings import StrategyName, TuningSettings
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.trial import TrialStatus

MOST_PARENTS = 5                # SageMaker's limits
MOST_CHANGES = 10


def warm_started(settings: TuningSettings, kind: WarmStartType, parents: Sequence[TuningState]) -> TuningSettings:
    """The settings with what the parents found. `InvalidRequest` says why a parent cannot be one."""
    names = tuple(parent.name for parent in parents)
    if not 1 <= len(set(names)) <= MOST_PARENTS or len(set(names)) < len(names):
        raise InvalidRequest(f"tuning job {settings.name!r}: give 1 to {MOST_PARENTS} different parents, got {names}")
    if settings.strategy is StrategyName.GRID:
        raise InvalidRequest(f"tuning job {settings.name!r}: a grid tries every point anyway; take Bayesian or Random")
    for parent in parents:
        _check(settings, kind, parent)
    trials = tuple(one for parent in parents for one in _found(settings, parent))
    return settings.model_copy(update={"warm_start": WarmStart(kind, names, trials)})


def note_of_warm_start(settings: TuningSettings) -> str:
    """What a tuning job should say of its start: that what its parents found does not help it; else nothing."""
    found = settings.warm_start
    if found is None or found.trials:
        return ""
    return f"no completed trial of {', '.join(found.parents)} lies within the ranges: the search begins from nothing"


def _check(settings: TuningSettings, kind: WarmStartType, parent: TuningState) -> None:
    what = f"tuning job {settings.name!r}: parent {parent.name!r}"
    theirs = parent.settings
    if parent.status is TuningStatus.IN_PROGRESS:
        raise InvalidRequest(f"{what} still runs; wait for it, or stop it")
    if (theirs.objective, theirs.direction) != (settings.objective, settings.direction):
        wanted = f"{settings.direction.value} {settings.objective!r}"
        raise InvalidRequest(f"{what} has the objective {theirs.direction.value} {theirs.objective!r}, not {wanted}")
    unknown = sorted(set(settings.space.names) - {*theirs.space.names, *theirs.hyperparameters})
    if unknown:
        raise InvalidRequest(f"{what} has no hyperparameter {', '.join(unknown)}, so it can tell nothing about it")
    ours = {**dict.fromkeys(settings.space.names), **settings.hyperparameters}
    others = {**dict.fromkeys(theirs.space.names), **theirs.hyperparameters}
    changes = [name for name in ours.keys() | others.keys() if ours.get(name) != others.get(name)]
    if kind is WarmStartType.IDENTICAL and len(changes) > MOST_CHANGES:
        count = f"{len(changes)} hyperparameters differ, at most {MOST_CHANGES} may"
        raise InvalidRequest(f"{what} is not identical: {count}; use TransferLearning")


def _found(settings: TuningSettings, parent: TuningState) -> list[Earlier]:
    found = []
    for trial in parent.trials:
        point = {name: trial.hyperparameters[name] for name in settings.space.names if name in trial.hyperparameters}
        inside = len(point) == len(settings.space.names) and all(
            settings.space[name].contains(value) for name, value in point.items()
        )
        if trial.status is TrialStatus.COMPLETED and trial.value is not None and inside:
            found.append(Earlier(trial.name, point, trial.value))
    return found
