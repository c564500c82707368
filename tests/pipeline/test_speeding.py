"""Which hyperparameter would make a job faster, from what limits it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rules.profiles import Told
from tintype.errors import InvalidRequest
from tintype.jobs.job import Job
from tintype.pipeline.speeding import speed_fix
from tintype.pipeline.training_jobs import spec_of
from tintype.profiler.limiter import Limiter
from tintype.profiler.phases import Outside, Phase
from tintype.settings import Settings
from tintype.training.hyperparameters import plan_from
from tintype.training.plan import DataPlan, TrainingPlan

COMPUTING = {Phase.FORWARD: 30.0, Phase.BACKWARD: 60.0, Phase.OPTIMIZER: 3.0}
LAUNCHING = {Phase.FORWARD: 0.4, Phase.BACKWARD: 0.5, Phase.OPTIMIZER: 0.4}
WAITING = {Phase.DATA_WAIT: 60.0, Phase.FORWARD: 20.0, Phase.BACKWARD: 20.0}


def job(folder: Path, told: Told, **hyperparameters: Any) -> Job:
    settings = Settings.from_environment({}, folder)
    plan = TrainingPlan(name="job", directory=folder, data=DataPlan(location="photos"), settings=settings)
    plan = plan_from(hyperparameters, plan)
    told.write(folder / "profiler-output")
    used = {"image-size": 224, "batch-size": 32, "lr": 0.001, "augmentation": "crop-flip", **hyperparameters}
    return Job("job", directory=str(folder), spec=spec_of(plan, hyperparameters), result={"hyperparameters": used})


def test_computing_is_made_less(tmp_path: Path) -> None:
    fix = speed_fix(job(tmp_path, Told(30.0, steps=100, phases=COMPUTING)))
    assert (fix.limiter.limiter, fix.changes) == (Limiter.COMPUTE, {"image-size": "160"})
    slow = speed_fix(job(tmp_path / "fp32", Told(30.0, steps=100, phases=COMPUTING), precision="fp32"))
    assert slow.changes == {"precision": "auto"}


def test_tiny_steps_become_larger_ones(tmp_path: Path) -> None:
    fix = speed_fix(job(tmp_path, Told(30.0, steps=400, phases=LAUNCHING)))
    assert fix.limiter.limiter is Limiter.LAUNCH
    assert fix.changes == {"batch-size": "128", "lr": "0.002"}


def test_images_are_prepared_with_less_work(tmp_path: Path) -> None:
    told = Told(30.0, steps=100, phases=WAITING, waiting_cpu=0.9)
    assert speed_fix(job(tmp_path, told)).changes == {"augmentation": "flip"}
    with pytest.raises(InvalidRequest, match="no hyperparameter"):
        speed_fix(job(tmp_path / "none", told, augmentation="none"))


def test_evaluations_and_checkpoints_become_rarer(tmp_path: Path) -> None:
    told = Told(30.0, steps=100, phases=COMPUTING, between={Outside.EVALUATION: 900.0})
    assert speed_fix(job(tmp_path, told, epochs=20)).changes == {"evaluate-every": "4"}
    few = job(tmp_path / "few", told, **{"epochs": 6, "evaluate-every": 2})
    assert speed_fix(few).changes == {"evaluate-every": "6"}
    told = Told(30.0, steps=100, phases=COMPUTING, between={Outside.CHECKPOINT: 900.0})
    assert speed_fix(job(tmp_path / "save", told, **{"checkpoint-seconds": 0})).changes == {"checkpoint-seconds": "60"}


def test_what_no_hyperparameter_changes_is_said_with_what_would(tmp_path: Path) -> None:
    told = Told(30.0, steps=100, phases=COMPUTING, between={Outside.EVALUATION: 900.0})
    with pytest.raises(InvalidRequest, match="evaluate less often"):
        speed_fix(job(tmp_path, told, epochs=1))
    with pytest.raises(InvalidRequest, match="were not measured"):
        speed_fix(job(tmp_path / "unmeasured", Told(30.0)))
