"""What a server does about tuning jobs when it starts."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from tests.web.api.serving import Api, serving
from tests.web.api.test_tuning_jobs import tuning
from tintype.tuning.store import TUNING_KIND
from tintype.web.resumption import tuning_jobs_resumed

SLOW = "import time; print('Test set: Average loss: 0.5', flush=True); time.sleep(1.0)"
NAME = "survives-1"


def status_of(api: Api) -> str:
    found = api.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=NAME)
    return str(found["HyperParameterTuningJobStatus"])


async def _started(api: Api) -> None:
    async with tuning_jobs_resumed(api.context):
        pass


def test_a_tuning_job_survives_the_server_and_the_loss_of_its_coordinator(tmp_path: Path) -> None:
    """The server ends while it runs; then the machine's power does, as far as its coordinator can tell."""
    limits = {"ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1}}
    with serving(tmp_path / "home") as api:
        api.sagemaker.create_hyper_parameter_tuning_job(
            **tuning(api, NAME, SLOW, HyperParameterTuningJobConfig=limits)
        )
    with serving(tmp_path / "home") as api:
        assert status_of(api) == "InProgress"
        holder = api.workspace.records.holder(TUNING_KIND, NAME)
        assert holder is not None
        os.kill(holder.owner.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while status_of(api) == "InProgress":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        asyncio.run(_started(api))
        ended = api.tuned(NAME)
        assert ended["HyperParameterTuningJobStatus"] == "Completed", ended
        assert ended["TrainingJobStatusCounters"]["Completed"] == 3
