"""The JSON files of `input/config/`, which the SageMaker platform writes before a training container starts.

What they hold is also part of the environment (`SM_RESOURCE_CONFIG`, `SM_INPUT_DATA_CONFIG`), so it is made here once,
by pure functions. A missing debughookconfig.json means that no hook was asked for, which smdebug relies on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tintype.jobs.directory import JobDirectory, host_name
from tintype.jobs.specification import CHECKPOINTS, Channel, Checkpoint, JobSpec, Resources
from tintype.storage import write_json

Json = dict[str, Any]

OPT_ML = "/opt/ml"
GROUP = "homogeneousCluster"        # SageMaker's name of the only group of equal instances
INTERFACE = "lo"                    # all hosts of a job are on this machine
TENSORBOARD = "tensorboardoutputconfig.json"
LOCAL_INSTANCE = "local"            # what SageMaker's local mode calls its instance type


def write_configuration(spec: JobSpec, host: JobDirectory, host_index: int) -> None:
    """Write all files of one host's `input/config/`; those that do not apply are not there. Raises `StorageFailed`."""
    documents: dict[str, Any] = {
        **spec.configuration,
        "hyperparameters.json": dict(spec.hyperparameters),
        "resourceconfig.json": resource_config(spec.resources, host_index),
        "inputdataconfig.json": input_data_config(spec.channels),
        "debughookconfig.json": hook_config(spec.debugger, host),
        "profilerconfig.json": profiler_config(spec.profiler, host),
        "checkpointconfig.json": checkpoint_config(spec.checkpoint, host),
        TENSORBOARD: tensorboard_config(spec.configuration.get(TENSORBOARD), host),
        "rules.json": list(spec.rules) or None,
    }
    for name, document in documents.items():
        if document is not None:
            # Not durable: the record holds all of it, and another attempt writes it again.
            write_json(host.config / name, document, durable=False)


def resource_config(resources: Resources, host_index: int) -> Json:
    """The hosts of the job, and which of them this is."""
    hosts = [host_name(index) for index in range(resources.instance_count)]
    instance_type = resources.instance_type or LOCAL_INSTANCE
    return {
        "current_host": host_name(host_index),
        "current_instance_type": instance_type,
        "current_group_name": GROUP,
        "hosts": hosts,
        "instance_groups": [{"instance_group_name": GROUP, "instance_type": instance_type, "hosts": hosts}],
        "network_interface_name": INTERFACE,
    }


def input_data_config(channels: tuple[Channel, ...]) -> Json:
    """One entry a channel."""
    return {channel.name: _channel_config(channel) for channel in channels}


def hook_config(debugger: Mapping[str, Any] | None, host: JobDirectory) -> Json | None:
    """The debugger's hook, told to write into the job's own directory."""
    if debugger is None:
        return None
    return {**debugger, "LocalPath": here(str(debugger.get("LocalPath") or f"{OPT_ML}/output/tensors"), host)}


def profiler_config(profiler: Mapping[str, Any] | None, host: JobDirectory) -> Json | None:
    """The profiler, told to write into the job's own directory. A profiler that is off has no parameters."""
    if profiler is None:
        return None
    parameters = profiler.get("ProfilingParameters")
    if not parameters:
        return dict(profiler)
    path = here(str(parameters.get("LocalPath") or f"{OPT_ML}/output/profiler"), host)
    return {**profiler, "ProfilingParameters": {**parameters, "LocalPath": path}}


def checkpoint_config(checkpoint: Checkpoint, host: JobDirectory) -> Json | None:
    """Where checkpoints go. None when the job did not ask for them: smdebug then goes on from no earlier state."""
    if not checkpoint.url and checkpoint.local_path == CHECKPOINTS:
        return None
    document = {"LocalPath": here(checkpoint.local_path, host)}
    return {**document, "S3Uri": checkpoint.url} if checkpoint.url else document


def tensorboard_config(asked: Mapping[str, Any] | None, host: JobDirectory) -> Json | None:
    """Where the script writes what TensorBoard reads, in the job's own directory."""
    return None if asked is None else {**asked, "LocalPath": here(str(asked["LocalPath"]), host)}


def here(path: str, host: JobDirectory) -> str:
    """A path below /opt/ml as it is in the host's directory; any other path as it is."""
    if path == OPT_ML or path.startswith(f"{OPT_ML}/"):
        return os.path.normpath(Path(host.root, os.path.relpath(path, OPT_ML)))
    return path


def _channel_config(channel: Channel) -> Json:
    described = {
        "TrainingInputMode": channel.mode,
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    return {**described, "ContentType": channel.content_type} if channel.content_type else described
