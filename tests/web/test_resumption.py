"""What goes on by itself when a server starts after a crash."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.jobs.running_engine import SECONDS, until
from tests.serving.tiny_archive import write_tiny_archive
from tests.web.api.serving import Api, serving
from tests.web.api.test_tuning_jobs import tuning
from tintype.pipeline import transform_jobs
from tintype.pipeline.transform_jobs import TransformJob
from tintype.serving.endpoints.deployment import Deployment
from tintype.serving.endpoints.endpoint import DOWN, Status
from tintype.serving.endpoints.store import Endpoints
from tintype.settings import Settings
from tintype.tuning.store import TUNING_KIND
from tintype.web.resumption import RESUMED, revive_endpoints, work_resumed
from tintype.workspace import open_workspace

SLOW = """
    import os, time
    print('Test set: Average loss: 0.5', flush=True)
    while not os.path.exists(GATE):
        time.sleep(0.05)
"""
NAME = "survives-1"


def status_of(api: Api) -> str:
    found = api.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=NAME)
    return str(found["HyperParameterTuningJobStatus"])


async def _started(api: Api) -> None:
    async with work_resumed(api.context):
        pass


def test_a_tuning_job_survives_the_server_and_the_loss_of_its_coordinator(tmp_path: Path) -> None:
    """The server ends while it runs; then the machine's power does, as far as its coordinator can tell."""
    limits = {"ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1}}
    script = SLOW.replace("GATE", repr(str(tmp_path / "gate")))
    with serving(tmp_path / "home") as api:
        api.sagemaker.create_hyper_parameter_tuning_job(
            **tuning(api, NAME, script, HyperParameterTuningJobConfig=limits)
        )
    with serving(tmp_path / "home") as api:
        assert status_of(api) == "InProgress"
        holder = api.workspace.records.holder(TUNING_KIND, NAME)
        assert holder is not None
        os.kill(holder.owner.pid, signal.SIGKILL)
        until(lambda: status_of(api) != "InProgress")
        asyncio.run(_started(api))
        assert status_of(api) == "InProgress"
        (tmp_path / "gate").touch()
        ended = api.tuned(NAME)
        told = ended["HyperParameterTuningJobStatus"], ended.get("FailureReason"), ended["TrainingJobStatusCounters"]
        assert told[0] == "Completed", told
        assert ended["TrainingJobStatusCounters"]["Completed"] == 3


def test_a_tuning_job_whose_coordinator_died_before_its_first_word_is_begun(tmp_path: Path) -> None:
    limits = {"ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}}
    with serving(tmp_path / "home") as api:
        api.sagemaker.create_hyper_parameter_tuning_job(**tuning(api, NAME, HyperParameterTuningJobConfig=limits))
        holder = api.workspace.records.holder(TUNING_KIND, NAME)
        assert holder is not None
        os.kill(holder.owner.pid, signal.SIGKILL)           # in the midst of its imports
        until(lambda: status_of(api) == "Stopped")
        assert api.workspace.records.find(TUNING_KIND, NAME) is None
        asyncio.run(_started(api))
        assert api.tuned(NAME)["HyperParameterTuningJobStatus"] == "Completed"


def test_an_endpoint_that_was_killed_serves_again(tmp_path: Path) -> None:
    archive = write_tiny_archive(tmp_path / "model.tar.gz")
    with open_workspace(Settings(home=tmp_path / "home")) as workspace:
        endpoints = Endpoints(workspace.records)
        try:
            started = endpoints.start(
                Deployment(name="ants", archive=archive, directory=workspace.endpoint_directory("ants"))
            )
            assert started.server is not None
            assert revive_endpoints(workspace) == []
            os.kill(started.server.pid, signal.SIGKILL)
            until(lambda: endpoints.get("ants").status in DOWN)
            assert revive_endpoints(workspace) == ["ants"]
            assert endpoints.wait("ants", SECONDS).status is Status.IN_SERVICE
        finally:
            endpoints.delete("ants")


def test_a_transform_whose_beginner_died_is_begun(tmp_path: Path) -> None:
    archive = write_tiny_archive(tmp_path / "model.tar.gz")
    (tmp_path / "in").mkdir()
    job = TransformJob("orphan", str(archive), str(tmp_path / "in"), str(tmp_path / "out"), created_at=1.0)
    with open_workspace(Settings(home=tmp_path / "home")) as workspace:
        workspace.records.create(transform_jobs.KIND, job.name, job.to_json(), status=job.status)
        assert RESUMED["transform job"](workspace) == ["orphan"]
        until(lambda: transform_jobs.find(workspace, "orphan").status.is_finished)
        found = transform_jobs.find(workspace, "orphan")
        assert (found.attempts, found.failure_reason) == (1, "")
