"""Training and tuning on SageMaker from start to end: uploaded, asked for, followed, brought home."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tintype.errors import Conflict, JobFailed
from tintype.jobs.job import Job, JobSpec
from tintype.pipeline.amazon.account import amazons_errors
from tintype.pipeline.amazon.bringing import bring_home
from tintype.pipeline.amazon.following import POLL_SECONDS, follow_training, follow_tuning
from tintype.pipeline.amazon.remote import Remote
from tintype.pipeline.amazon.request import Uploaded, training_request, tuning_request
from tintype.pipeline.amazon.upload import upload_data, upload_source, upload_trainer
from tintype.pipeline.watching import Watcher
from tintype.tuning.settings import TuningSettings
from tintype.workspace import Workspace

Json = dict[str, Any]

TRAINING_CHANNEL = "training"


def upload(remote: Remote, name: str, spec: JobSpec, watcher: Watcher, data: str = "") -> Uploaded:
    """Everything that a job needs. With `data` it is the built-in trainer's, else a script's with its channels."""
    if data:
        program, source = upload_trainer(remote, name)
        locations = {TRAINING_CHANNEL: data}
    else:
        program, source = upload_source(remote, name, spec.source.entry_point, spec.source.source_dir)
        locations = {channel.name: channel.location for channel in spec.channels}
    channels = {
        channel: upload_data(remote, f"{name}/data/{channel}", location, watcher.progress)
        for channel, location in locations.items()
    }
    return Uploaded(program, source, channels)


def train(
    workspace: Workspace, remote: Remote, name: str, spec: JobSpec, watcher: Watcher, *,
    data: str = "", wait: bool = True, poll: float = POLL_SECONDS,
) -> Job | None:
    """One training job; None when it is not waited for. `Conflict` when a job of the name is here or there."""
    if workspace.jobs.exists(name):
        raise Conflict(f"a training job named {name!r} is there already; choose another name")
    spec = _without_ours(spec)
    request = training_request(remote, name, spec, upload(remote, name, spec, watcher, data))
    with amazons_errors():
        remote.sagemaker.create_training_job(**request)
    if not wait:
        return None
    return bring_home(workspace, remote, follow_training(remote, name, watcher, poll))


def tune(
    workspace: Workspace, remote: Remote, settings: TuningSettings, spec: JobSpec, watcher: Watcher, *,
    data: str = "", wait: bool = True, poll: float = POLL_SECONDS,
) -> tuple[Json, Job] | None:
    """One tuning job: its description and its best job, brought home. None when it is not waited for."""
    spec = _without_ours(spec)
    request = tuning_request(remote, settings, spec, upload(remote, settings.name, spec, watcher, data))
    with amazons_errors():
        remote.sagemaker.create_hyper_parameter_tuning_job(**request)
    if not wait:
        return None
    found = follow_tuning(remote, settings.name, watcher, poll)
    if "BestTrainingJob" not in found:
        raise JobFailed(f"tuning job {settings.name} was stopped before a trial was completed")
    with amazons_errors():
        best = remote.sagemaker.describe_training_job(TrainingJobName=found["BestTrainingJob"]["TrainingJobName"])
    return found, bring_home(workspace, remote, best)


def _without_ours(spec: JobSpec) -> JobSpec:
    """Paths of this machine mean nothing there."""
    return replace(spec, environment={name: value for name, value in spec.environment.items() if name != "PYTHONPATH"})
