"""The environment of a training script: what the SageMaker platform and its training toolkit set, and a few of ours.

A pure function of the job and of what its host gets. Paths are those of the job's own directory, not /opt/ml, so they
hold whether or not the job sees that directory as /opt/ml too. Source: sagemaker-training 5.1 (`environment.py`,
`params.py`), the PyTorch training toolkit (MASTER_*, NCCL_*), the table in docs/script_mode.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from tintype import old_names
from tintype.jobs import hyperparameters
from tintype.jobs.configuration_files import GROUP, INTERFACE, input_data_config, resource_config
from tintype.jobs.directory import JobDirectory, host_name
from tintype.jobs.instances import VISIBLE_GPUS, Share, is_cpu_only
from tintype.jobs.specification import JobSpec
from tintype.site_folder import site_folder

Json = dict[str, Any]

FRAMEWORK_MODULE = "sagemaker_pytorch_container.training:main"
DEFAULT_REGION = "us-east-1"
INFO = 20                               # logging.INFO, the toolkit's default level
FIRST_PORT, PORTS = 20_000, 12_000      # below those that the kernel gives to outgoing connections

# What a script must not inherit: another job's variables, when Tintype itself was started by a job.
FOREIGN_PREFIXES = ("SM_", "SAGEMAKER_", "SMDEBUG_", "SMPROFILER_")
FOREIGN = frozenset({
    "TRAINING_JOB_NAME", "TRAINING_JOB_ARN", "CURRENT_HOST", "MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK",
    "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "USE_SMDEBUG", "CHECKPOINT_CONFIG_FILE_PATH",
    "TENSORBOARD_CONFIG_FILE_PATH",
})  # fmt: skip


@final
@dataclass(frozen=True)
class Host:
    """One host of a job: its place among them, its directory, what it gets of the machine."""

    index: int
    directory: JobDirectory
    share: Share
    gpus: tuple[int, ...] | None = None         # the machine's GPUs that are this job's; None: not said


def complete(
    job_name: str, spec: JobSpec, host: Host, entry_point: str, inherited: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of the script: inherited, then the platform's, the job's own, the toolkit's."""
    kept = {
        name: value for name, value in inherited.items()
        if name not in FOREIGN and not name.startswith(FOREIGN_PREFIXES)
    }  # fmt: skip
    platform = {**platform_variables(job_name, spec, host, kept), **distribution_variables(job_name, host, spec)}
    own = dict(spec.environment)
    search = [str(host.directory.code), own.get("PYTHONPATH", ""), kept.get("PYTHONPATH", "")]
    if spec.source.kind == "script":
        search.append(str(site_folder()))
    return {
        **kept,
        **platform,
        **own,
        **toolkit_variables(job_name, spec, host, entry_point),
        "PYTHONPATH": ":".join(part for part in search if part),
    }


def platform_variables(job_name: str, spec: JobSpec, host: Host, inherited: Mapping[str, str]) -> dict[str, str]:
    """What is set before the container starts, and what makes today's PyTorch behave as the containers' did."""
    files = host.directory.config
    region = str(hyperparameters.decode(spec.hyperparameters.get("sagemaker_region", "")) or "")
    region = region or inherited.get("AWS_REGION") or inherited.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    variables = {
        "TRAINING_JOB_NAME": job_name,
        "TRAINING_JOB_ARN": f"arn:aws:sagemaker:{region}:000000000000:training-job/{job_name.lower()}",
        "AWS_REGION": region,
        "SAGEMAKER_REGION": region,
        "SAGEMAKER_BASE_DIR": str(host.directory.root),
        "SAGEMAKER_TRAINING_MODULE": FRAMEWORK_MODULE,
        "SAGEMAKER_METRICS_DIRECTORY": str(host.directory.output / "metrics" / "sagemaker"),
        "CURRENT_HOST": host_name(host.index),
        "SMDEBUG_CONFIG_FILE_PATH": str(files / "debughookconfig.json"),
        "SMPROFILER_CONFIG_PATH": str(files / "profilerconfig.json"),
        "CHECKPOINT_CONFIG_FILE_PATH": str(files / "checkpointconfig.json"),
        "TENSORBOARD_CONFIG_FILE_PATH": str(files / "tensorboardoutputconfig.json"),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(host.share.cores),
    }
    if spec.source.kind == "script":
        # Since torch 2.6 `torch.load` reads no whole modules by default, and scripts for the containers save them.
        variables["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
        variables[old_names.VARIABLE] = "1"
    if spec.debugger is not None:
        variables["TINTYPE_DEBUGGER_CONFIG"] = variables["SMDEBUG_CONFIG_FILE_PATH"]     # whoever reads it is asked to
    return variables | _visible_gpus(spec, host, inherited)


def distribution_variables(job_name: str, host: Host, spec: JobSpec) -> dict[str, str]:
    """Where the first host is; and for several hosts, one process each, also the ranks as torchrun sets them."""
    hosts = spec.resources.instance_count
    variables = {
        "MASTER_ADDR": "127.0.0.1",
        # 7777 on SageMaker; here jobs share a machine, and the same job must have the same port on all its hosts.
        "MASTER_PORT": str(FIRST_PORT + zlib.crc32(job_name.encode()) % PORTS),
        "NCCL_SOCKET_IFNAME": INTERFACE,
        "NCCL_IB_DISABLE": "1",
        "NCCL_DEBUG": "WARN",
    }
    if hosts == 1:
        return variables                # a script that finds WORLD_SIZE takes it that it is distributed
    return variables | {
        "RANK": str(host.index),
        "GROUP_RANK": str(host.index),
        "WORLD_SIZE": str(hosts),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
    }


def toolkit_variables(job_name: str, spec: JobSpec, host: Host, entry_point: str) -> dict[str, str]:
    """`SM_*` and `SAGEMAKER_*`. Lists and dicts are compact JSON, texts are themselves."""
    training = training_environment(job_name, spec, host, entry_point)
    wire = spec.hyperparameters
    listed = {
        "HPS": training["hyperparameters"],
        "FRAMEWORK_PARAMS": training["additional_framework_parameters"],
        "CHANNELS": sorted(training["channel_input_dirs"]),
        "USER_ARGS": [*hyperparameters.arguments(wire), *spec.source.arguments],
        "TRAINING_ENV": training,
        **{name: training[name.lower()] for name in _AS_THEY_ARE},
    }
    variables = {f"SM_{name}": hyperparameters.as_variable(value) for name, value in listed.items()}
    channels = {f"SM_CHANNEL_{name.upper()}": path for name, path in training["channel_input_dirs"].items()}
    toolkit = {
        "SAGEMAKER_JOB_NAME": str(hyperparameters.decode(wire.get("sagemaker_job_name", job_name))),
        "SAGEMAKER_PROGRAM": entry_point,
        "SAGEMAKER_SUBMIT_DIRECTORY": training["module_dir"],
    }
    return {**variables, **channels, **hyperparameters.environment(wire), **toolkit}


def training_environment(job_name: str, spec: JobSpec, host: Host, entry_point: str) -> Json:
    """`SM_TRAINING_ENV`: everything that the toolkit's `Environment` knows, under its own names."""
    root, wire = host.directory, spec.hyperparameters
    resources = resource_config(spec.resources, host.index)
    hosts = resources["hosts"]
    return {
        "additional_framework_parameters": hyperparameters.framework_values(wire),
        "channel_input_dirs": {channel.name: str(root.channels / channel.name) for channel in spec.channels},
        "current_host": resources["current_host"],
        "current_instance_group": GROUP,
        "current_instance_group_hosts": hosts,
        "current_instance_type": resources["current_instance_type"],
        "distribution_hosts": hosts if len(hosts) > 1 else [],
        "distribution_instance_groups": [],
        "framework_module": FRAMEWORK_MODULE,
        "hosts": hosts,
        "hyperparameters": hyperparameters.script_values(wire),
        "input_config_dir": str(root.config),
        "input_data_config": input_data_config(spec.channels),
        "input_dir": str(root.config.parent),
        "instance_groups": [GROUP],
        "instance_groups_dict": {GROUP: resources["instance_groups"][0]},
        "is_hetero": False,
        "is_master": host.index == 0,
        "job_name": job_name,
        "log_level": _log_level(wire),
        "master_hostname": hosts[0],
        "model_dir": str(root.model),
        "module_dir": str(hyperparameters.decode(wire.get("sagemaker_submit_directory", str(root.code)))),
        "module_name": entry_point.removesuffix(".py"),
        "network_interface_name": INTERFACE,
        "num_cpus": host.share.cores,
        "num_gpus": 0 if is_cpu_only(spec.resources.instance_type) else host.share.gpus,
        "num_neurons": 0,
        "output_data_dir": str(root.data),
        "output_dir": str(root.output),
        "output_intermediate_dir": str(root.output / "intermediate"),
        "resource_config": resources,
        "user_entry_point": entry_point,
    }


_AS_THEY_ARE = (
    "HOSTS", "NETWORK_INTERFACE_NAME", "USER_ENTRY_POINT", "RESOURCE_CONFIG", "INPUT_DATA_CONFIG", "OUTPUT_DATA_DIR",
    "CURRENT_HOST", "CURRENT_INSTANCE_TYPE", "CURRENT_INSTANCE_GROUP", "CURRENT_INSTANCE_GROUP_HOSTS",
    "INSTANCE_GROUPS", "INSTANCE_GROUPS_DICT", "DISTRIBUTION_INSTANCE_GROUPS", "IS_HETERO", "MODULE_NAME", "LOG_LEVEL",
    "FRAMEWORK_MODULE", "INPUT_DIR", "INPUT_CONFIG_DIR", "OUTPUT_DIR", "NUM_CPUS", "NUM_GPUS", "NUM_NEURONS",
    "MODEL_DIR", "MODULE_DIR", "OUTPUT_INTERMEDIATE_DIR",
)  # fmt: skip


def _log_level(wire: Mapping[str, str]) -> int:
    level = hyperparameters.decode(wire.get("sagemaker_container_log_level", str(INFO)))
    return level if isinstance(level, int) else INFO


def _visible_gpus(spec: JobSpec, host: Host, inherited: Mapping[str, str]) -> dict[str, str]:
    if is_cpu_only(spec.resources.instance_type) or host.share.gpus == 0:
        # As on a CPU instance: otherwise a script moves its model to a GPU that its data is not moved to.
        return {VISIBLE_GPUS: ""}
    if host.gpus is None:
        return {}
    # Tintype itself may have been given some of the machine's: ours are counted among those.
    names = inherited.get(VISIBLE_GPUS, "").split(",") if inherited.get(VISIBLE_GPUS) else None
    return {VISIBLE_GPUS: ",".join(str(gpu) if names is None else names[gpu].strip() for gpu in host.gpus)}
