"""Requests are answered at once, however long the processes take that they ask for."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from tests.web.api.serving import Api
from tests.web.api.test_training_jobs import refused
from tests.web.api.test_tuning_jobs import tuning
from tintype.pipeline import coordination
from tintype.web import engine_at_hand

SLUGGISH = """#!/bin/sh
while [ ! -e {gate} ]; do sleep 0.05; done
exec {python} "$@"
"""


def test_a_tuning_job_whose_coordinator_has_not_begun(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, sluggish = tmp_path / "gate", tmp_path / "python"
    sluggish.write_text(SLUGGISH.format(gate=gate, python=sys.executable))
    sluggish.chmod(0o755)
    monkeypatch.setattr(coordination, "APPOINT_SECONDS", 0.0)
    limits = {"ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}}
    request = tuning(api, "sluggish-1", HyperParameterTuningJobConfig=limits)
    with monkeypatch.context() as busy:
        busy.setattr(sys, "executable", str(sluggish))
        api.sagemaker.create_hyper_parameter_tuning_job(**request)
    name = {"HyperParameterTuningJobName": "sluggish-1"}
    assert api.sagemaker.describe_hyper_parameter_tuning_job(**name)["HyperParameterTuningJobStatus"] == "InProgress"
    assert refused(api.sagemaker.create_hyper_parameter_tuning_job, **request)[0] == "ResourceInUse"
    gate.touch()
    assert api.tuned("sluggish-1")["HyperParameterTuningJobStatus"] == "Completed"


def test_training_jobs_whose_engine_does_not_listen(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_at_hand, "PATIENCE_SECONDS", 0.1)
    agent = agent_of(str(api.workspace.home))
    agent.suspend()
    try:
        for name in ("unheard-1", "unheard-2"):
            api.sagemaker.create_training_job(**api.training(name, "print('trained')"))
        api.sagemaker.stop_training_job(TrainingJobName="unheard-2")
        found = api.sagemaker.describe_training_job(TrainingJobName="unheard-1")
        assert found["TrainingJobStatus"] == "InProgress"
        assert refused(api.sagemaker.create_training_job, **api.training("unheard-1", ""))[0] == "ResourceInUse"
    finally:
        agent.resume()
    assert api.ended("unheard-1")["TrainingJobStatus"] == "Completed"
    assert api.ended("unheard-2")["TrainingJobStatus"] == "Stopped"


def agent_of(home: str) -> psutil.Process:
    """The process that starts the jobs of a home."""
    found = psutil.process_iter(["name", "cmdline"])
    return next(one for one in found if one.info["name"] == "tintype-agent" and home in (one.info["cmdline"] or ()))
