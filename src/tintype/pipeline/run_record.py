"""The record of a whole run: begun, ended, and what is left of it when whoever began it was killed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from tintype.pipeline.coordination import is_taken
from tintype.records import Owner, Record, is_known_dead
from tintype.workspace import RUN_KIND, Workspace


class RunStatus(StrEnum):
    """How a run stands."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"


def training_of(name: str) -> str:
    """The name of a run's final training; its tuning job and its endpoint have the run's own."""
    return f"{name}-train"


def has_begun(workspace: Workspace, name: str) -> bool:
    """Whether a tuning job or a training job of the run is there."""
    return is_taken(workspace.records, name) or workspace.jobs.exists(training_of(name))


def is_under_way(run: Record) -> bool:
    """Whether somebody is at it. What was begun by a version that did not say by whom is taken for left."""
    owner = run.document.get("owner")
    if run.status != RunStatus.IN_PROGRESS or owner is None:
        return False
    return not is_known_dead(Owner.from_json(owner), Owner.of())


def is_vacant(workspace: Workspace, run: Record) -> bool:
    """Whether the name may be taken again: it was left before anything of it had begun."""
    known = run.status == RunStatus.FAILED or "owner" in run.document
    is_over = run.status != RunStatus.COMPLETED and known and not is_under_way(run)
    return is_over and not has_begun(workspace, run.name)


def begin(workspace: Workspace, name: str, request: Mapping[str, Any]) -> Record:
    """The record of a run that this process is at from now on. `Conflict` when the name is taken."""
    document = {"request": dict(request), "owner": Owner.of().to_json()}
    left = workspace.records.find(RUN_KIND, name)
    if left is not None and is_vacant(workspace, left):
        return workspace.records.replace(left, document, status=RunStatus.IN_PROGRESS)
    return workspace.records.create(RUN_KIND, name, document, status=RunStatus.IN_PROGRESS)
