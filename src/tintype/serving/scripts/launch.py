"""What a user's inference script finds around it: SageMaker's variables, its interpreter, its search path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tintype.debugger import compat_path
from tintype.jobs.environment import FOREIGN, FOREIGN_PREFIXES
from tintype.jobs.instances import is_cpu_only
from tintype.jobs.requirements import Report, python_for
from tintype.serving.model_definition import PROGRAM_VARIABLE, ModelDefinition, PreparedModel

MODULE = "tintype.serving.scripts.script_process"
DEPENDENCIES = "lib"                    # in code/: where SageMaker's SDK packs the folders of `dependencies`
DEFAULT_REGION = "us-east-1"
DEFAULT_TIMEOUT_SECONDS = 60.0
TIMEOUT_VARIABLES = (
    "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", "SAGEMAKER_TS_RESPONSE_TIMEOUT", "SAGEMAKER_MODEL_SERVER_TIMEOUT",
)  # fmt: skip
SECRETS = ("TINTYPE_TOKEN",)


@final
@dataclass(frozen=True)
class ScriptLaunch:
    """How one process of a script is started."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    opt_ml: str

    def to_options(self) -> dict[str, Any]:
        """For the nursery."""
        return {
            "arguments": list(self.arguments),
            "environment": dict(self.environment),
            "directory": self.directory,
            "opt_ml": self.opt_ml,
        }


def launch_of(
    definition: ModelDefinition,
    prepared: PreparedModel,
    environments: Path,
    report: Report,
    inherited: Mapping[str, str],
) -> ScriptLaunch:
    """Install what code/requirements.txt asks for, and say how to start. Takes as long as pip does.

    Raises `InvalidRequest` with pip's last word when something cannot be had.
    """
    variables = script_environment(definition, prepared, inherited)
    python = python_for(prepared.code, environments, report, {**inherited, "PYTHONPATH": variables["PYTHONPATH"]})
    directory = prepared.code if prepared.code.is_dir() else prepared.model
    return ScriptLaunch(
        (str(python), "-m", MODULE, str(prepared.model)),
        {**variables, "PATH": f"{python.parent}:{variables.get('PATH', os.defpath)}"},
        str(directory),
        str(prepared.base),
    )


def script_environment(
    definition: ModelDefinition, prepared: PreparedModel, inherited: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a script's process."""
    kept = {
        name: value for name, value in inherited.items()
        if name not in FOREIGN and name not in SECRETS and not name.startswith(FOREIGN_PREFIXES)
    }  # fmt: skip
    own = dict(definition.environment)
    region = own.get("SAGEMAKER_REGION") or kept.get("AWS_REGION") or kept.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    ours = (prepared.code, prepared.code / DEPENDENCIES)
    search = [*map(str, ours), own.get("PYTHONPATH", ""), kept.get("PYTHONPATH", ""), str(compat_path())]
    variables = {
        "AWS_REGION": region,
        "SAGEMAKER_REGION": region,
        "SAGEMAKER_BASE_DIR": str(prepared.base),
        "SAGEMAKER_SUBMIT_DIRECTORY": str(prepared.code),
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
        "SM_MODEL_DIR": str(prepared.model),
        "PYTHONUNBUFFERED": "1",
        # Since torch 2.6 `torch.load` reads no whole modules by default, and scripts for the containers save them.
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    }
    if is_cpu_only(definition.instance_type):
        # As on a CPU instance: otherwise a script moves its model to a GPU that its data is not moved to.
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return {
        **kept,
        **variables,
        **own,
        PROGRAM_VARIABLE: prepared.program,
        "PYTHONPATH": ":".join(part for part in search if part),
    }


def timeout_seconds(environment: Mapping[str, str]) -> float:
    """How long a script may take for one answer, SageMaker's 60 s unless a variable says otherwise."""
    for name in TIMEOUT_VARIABLES:
        value = environment.get(name, "")
        if value.isdecimal() and int(value):
            return float(value)
    return DEFAULT_TIMEOUT_SECONDS
