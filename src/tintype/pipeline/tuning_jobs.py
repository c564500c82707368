"""Tuning jobs of the built-in trainer: begun, taken up again, read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from tintype.errors import JobFailed
from tintype.jobs.execution import Execution
from tintype.jobs.names import TUNING_LENGTH, checked
from tintype.pipeline.training_jobs import TrainingRequest, base_plan
from tintype.pipeline.trials import JobTrials
from tintype.pipeline.watching import Watcher
from tintype.training.hyperparameters import Value, plan_from
from tintype.training.plan import TrainingPlan
from tintype.tuning.objective import Counted, Direction
from tintype.tuning.ranges import parse_range
from tintype.tuning.settings import EarlyStopping, StrategyName, TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import RecordTuningStore
from tintype.tuning.trial import Trial, TrialStatus
from tintype.tuning.tuner import Tuner
from tintype.workspace import Workspace

PLAN_KIND = "tuning-plan"           # the plan that the trials of a tuning job share, kept for `tintype tuning resume`
DIRECTIONS = {"valid:accuracy": Direction.MAXIMIZE, "valid:loss": Direction.MINIMIZE}
POLL_SECONDS = 0.25


@final
@dataclass(frozen=True)
class TuningRequest:
    """A search, as a person asks for it."""

    name: str
    data: str
    ranges: Sequence[str]                       # as `--range` takes them
    fixed: Mapping[str, Value]
    max_jobs: int
    max_parallel_jobs: int = 1
    strategy: StrategyName = StrategyName.BAYESIAN
    objective: str = "valid:accuracy"
    direction: Direction | None = None          # None: what the objective's name says
    early_stopping: EarlyStopping = EarlyStopping.OFF
    seed: int = 0
    strict: bool = False


def begin(workspace: Workspace, execution: Execution, request: TuningRequest, watcher: Watcher) -> TuningState:
    """Run a new tuning job to its end. `JobFailed` when no trial completed, `Conflict` when the name is taken."""
    checked("tuning job", request.name, TUNING_LENGTH)
    space = Space(tuple(parse_range(text) for text in request.ranges))
    direction = request.direction or DIRECTIONS.get(request.objective, Direction.MAXIMIZE)
    settings = TuningSettings(
        name=request.name,
        space=space,
        objective=request.objective,
        direction=direction,
        strategy=request.strategy,
        max_jobs=request.max_jobs,
        max_parallel_jobs=request.max_parallel_jobs,
        early_stopping=request.early_stopping,
        counted=Counted.BEST,                   # the archive holds the best epoch, so that is what a trial is worth
        seed=request.seed,
        hyperparameters=request.fixed,
    )
    base = trial_base(workspace, request, settings)
    workspace.records.create(PLAN_KIND, request.name, base.model_dump(mode="json"))
    return _tune(workspace, execution, settings, base, watcher)


def take_up(workspace: Workspace, execution: Execution, name: str, watcher: Watcher) -> TuningState:
    """Go on with a tuning job that was left. `Conflict` when it has ended."""
    settings = RecordTuningStore(workspace.records).load(name).settings
    base = TrainingPlan.model_validate(workspace.records.get(PLAN_KIND, name).document)
    return _tune(workspace, execution, settings, base, watcher)


def trial_base(workspace: Workspace, request: TuningRequest, settings: TuningSettings) -> TrainingPlan:
    """The plan that all trials share; every range's ends are tried on it, so that a bad one is refused at once."""
    training = TrainingRequest(request.name, request.data, request.fixed, strict=request.strict, seed=request.seed)
    base = base_plan(workspace, training)
    objective = request.objective if request.objective in DIRECTIONS else base.objective
    base = TrainingPlan.model_validate({**base.model_dump(), "objective": objective})
    for end in (0.0, 1.0):
        plan_from(settings.space.from_unit(dict.fromkeys(settings.space.names, end)), base)
    return base


def tuning_state(workspace: Workspace, name: str) -> TuningState | None:
    """A tuning job as the store has it, or None."""
    return RecordTuningStore(workspace.records).find(name)


def described(state: TuningState) -> dict[str, Any]:
    """The JSON of `tune` and of `tuning show`."""
    return {
        "name": state.name,
        "status": state.status.value,
        "reason": state.reason,
        "objective": state.settings.objective,
        "direction": state.settings.direction.value,
        "strategy": state.settings.strategy.value,
        "counts": {status.value: count for status, count in state.counts.items()},
        "best": described_best(state.best),
        "trials": [described_trial(trial) for trial in state.trials],
        "notes": list(state.notes),
        "seconds": state.seconds,
    }


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
        "value": trial.value,
        "hyperparameters": dict(trial.hyperparameters),
        "metrics": dict(trial.metrics),
        "reason": trial.reason,
        "started_at": trial.started_at,
        "ended_at": trial.ended_at,
    }


def _tune(
    workspace: Workspace, execution: Execution, settings: TuningSettings, base: TrainingPlan, watcher: Watcher
) -> TuningState:
    runner = JobTrials(workspace, execution, base, settings.name, watcher)
    tuner = Tuner(settings, runner, RecordTuningStore(workspace.records), time.time)
    state = tuner.run(watcher.trials)
    if state.status is TuningStatus.STOPPED:
        hint = f"`tintype tuning resume {state.name}` goes on"
        raise JobFailed(f"tuning job {state.name} was stopped: {state.reason}; {hint}")
    if state.status is TuningStatus.FAILED:
        failed = next((trial for trial in state.trials if trial.status is TrialStatus.FAILED), None)
        tail = () if failed is None else (f"{failed.name}: {failed.reason}",)
        raise JobFailed(f"tuning job {state.name} failed: {state.reason}", tail)
    return state
