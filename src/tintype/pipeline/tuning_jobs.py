"""Tuning jobs of the built-in trainer as the main job wants them: begun and followed to their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from tintype.jobs.client import Engine
from tintype.pipeline import coordination
from tintype.pipeline.coordination import completed
from tintype.pipeline.searching import Search, built_in_plan
from tintype.pipeline.watching import Watcher
from tintype.training.hyperparameters import Value
from tintype.tuning.state import TuningState
from tintype.workspace import Workspace


@final
@dataclass(frozen=True)
class TuningRequest:
    """A search over the built-in trainer, as the main job asks for it."""

    name: str
    data: str
    ranges: Sequence[str]                       # as `--range` takes them
    fixed: Mapping[str, Value]
    max_jobs: int
    seed: int = 0
    strict: bool = False


def begin(workspace: Workspace, engine: Engine, request: TuningRequest, watcher: Watcher) -> TuningState:
    """Run a new tuning job to its end. `JobFailed` when no trial completed, `Conflict` when the name is taken."""
    search = Search(request.name, request.ranges, "valid:accuracy", max_jobs=request.max_jobs, seed=request.seed)
    plan = built_in_plan(workspace, search, request.data, request.fixed, strict=request.strict)
    coordinator = coordination.begin(workspace, plan)
    engine.warm_up()                            # torch loads while the coordinator does
    return completed(coordinator.follow(watcher))
