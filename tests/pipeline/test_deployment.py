"""Which model a name means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tintype.errors import InvalidRequest, NotFound
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job
from tintype.pipeline.deployment import archive_of
from tintype.settings import Settings
from tintype.tuning.ranges import Continuous
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import RecordTuningStore
from tintype.tuning.trial import Trial, TrialStatus
from tintype.workspace import RUN_KIND, Workspace, open_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with open_workspace(Settings(home=tmp_path / "home")) as found:
        yield found


def job(workspace: Workspace, name: str) -> Path:
    """A job that has left a model; where that is."""
    directory = workspace.job_directory(name)
    workspace.jobs.submit(Job(name, str(directory)))
    archive = JobDirectory(directory).archive
    archive.parent.mkdir(parents=True)
    archive.write_bytes(name.encode())
    return archive


def search(workspace: Workspace, name: str, *values: float) -> None:
    space = Space((Continuous("lr", 0.0, 1.0),))
    settings = TuningSettings(name=name, space=space, objective="loss", direction="Minimize")  # pyright: ignore[reportArgumentType]
    trials = tuple(
        Trial(number, f"{name}-{number:03d}", {"lr": 0.5}, ("lr",)).ended(TrialStatus.COMPLETED, 2.0, value=value)
        for number, value in enumerate(values, start=1)
    )
    state = TuningState(settings, trials=trials, status=TuningStatus.COMPLETED)
    store = RecordTuningStore(workspace.records)
    store.save(state)
    for trial in trials:
        store.save_trial(state, trial)


def test_a_tuning_job_is_its_best_trial(workspace: Workspace) -> None:
    search(workspace, "ants", 0.5, 0.25)
    job(workspace, "ants-001")
    best = job(workspace, "ants-002")
    assert archive_of(workspace, "ants") == best


def test_a_run_is_its_final_training_and_before_that_the_best_of_its_search(workspace: Workspace) -> None:
    workspace.records.create(RUN_KIND, "ants", {}, status="InProgress")
    with pytest.raises(InvalidRequest, match="'ants' has no model to deploy: no training of it has completed"):
        archive_of(workspace, "ants")
    search(workspace, "ants", 0.5)
    trial = job(workspace, "ants-001")
    assert archive_of(workspace, "ants") == trial
    final = job(workspace, "ants-train")
    assert archive_of(workspace, "ants") == final


def test_a_search_without_a_model_says_so(workspace: Workspace) -> None:
    search(workspace, "ants")
    with pytest.raises(InvalidRequest, match="no training of it has completed"):
        archive_of(workspace, "ants")
    with pytest.raises(NotFound, match="no run, job or archive named 'bees'"):
        archive_of(workspace, "bees")
