"""What the lists show in a pipe, where nobody can make the window wider."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.cli.shell import Shell
from tests.tuning.test_store import SETTINGS, STATE, trial
from tintype.jobs.job import Job, Status
from tintype.jobs.specification import JobSpec, Source
from tintype.pipeline.tuning_plan import PLAN_KIND
from tintype.settings import Settings
from tintype.tuning.store import RecordTuningStore
from tintype.tuning.trial import TrialStatus
from tintype.workspace import open_workspace

LONG = "dog-breed-pytorch-image-classification-2026-11-30-15-34-51-578"


def test_names_are_whole_and_settings_are_the_scripts_own(tmp_path: Path) -> None:
    wire = {"lr": "0.01", "sagemaker_program": '"hpo.py"', "_tuning_objective_metric": '"loss"'}
    settings = SETTINGS.model_copy(update={"name": LONG[:32]})
    with open_workspace(Settings(home=tmp_path)) as workspace:
        job = Job(LONG, str(tmp_path), wire, spec=JobSpec(Source("script", "hpo.py", "/nowhere"), wire), parent="x")
        workspace.jobs.submit(job)
        workspace.jobs.move(LONG, Status.COMPLETED)
        state = replace(STATE, settings=settings)
        store = RecordTuningStore(workspace.records)
        workspace.records.create(PLAN_KIND, state.name, {})
        store.save(state)
        asked = replace(trial(1), hyperparameters={**trial(1).hyperparameters, "sagemaker_program": "x.py"})
        store.save_trial(state, asked.ended(TrialStatus.COMPLETED, 1.0, value=0.5))
    shell = Shell(tmp_path)
    assert "--trials lists those too" in shell("jobs", "list").stdout
    assert "no training job is Failed" in shell("jobs", "list", "--status", "failed").stdout
    row = next(line for line in shell("jobs", "list", "--trials").stdout.splitlines() if LONG in line)
    assert "lr=0.01" in row
    assert "sagemaker" not in row
    row = next(line for line in shell("tuning", "list").stdout.splitlines() if state.name in line)
    assert "lr=0.1 batch-size=16" in row
    assert "sagemaker" not in shell("tuning", "show", state.name).stdout
