"""What a script finds around it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tintype.serving.model_definition import Kind, ModelDefinition, PreparedModel
from tintype.serving.scripts.launch import launch_of, script_environment, timeout_seconds


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedModel:
    (tmp_path / "ml" / "model" / "code").mkdir(parents=True)
    return PreparedModel(Kind.SCRIPT, tmp_path / "ml" / "model", tmp_path / "ml", "serve.py")


def test_the_variables(prepared: PreparedModel) -> None:
    definition = ModelDefinition("model.tar.gz", environment={"OWN": "1", "SAGEMAKER_REGION": "eu-west-1"})
    inherited = {"PATH": "/bin", "SM_MODEL_DIR": "/of/a/job", "TINTYPE_TOKEN": "s3cret", "SAGEMAKER_PROGRAM": "old.py"}
    found = script_environment(definition, prepared, inherited)
    assert found["SAGEMAKER_PROGRAM"] == "serve.py"
    assert found["SM_MODEL_DIR"] == str(prepared.model)
    assert found["SAGEMAKER_BASE_DIR"] == str(prepared.base)
    assert found["SAGEMAKER_REGION"] == "eu-west-1"
    assert found["OWN"] == "1"
    assert found["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"
    assert found["PYTHONPATH"].split(":")[:2] == [str(prepared.code), str(prepared.code / "lib")]
    assert any(Path(one, "smdebug").is_dir() for one in found["PYTHONPATH"].split(":"))
    assert "TINTYPE_TOKEN" not in found
    assert "CUDA_VISIBLE_DEVICES" not in found


@pytest.mark.parametrize(
    ("instance_type", "hidden"), [("", False), ("local", False), ("ml.m5.large", True), ("ml.g4dn.xlarge", False)]
)
def test_a_cpu_instance_has_no_gpu(prepared: PreparedModel, instance_type: str, hidden: bool) -> None:
    definition = ModelDefinition("model.tar.gz", instance_type=instance_type)
    assert (script_environment(definition, prepared, {}).get("CUDA_VISIBLE_DEVICES") == "") is hidden


def test_the_command(prepared: PreparedModel, tmp_path: Path) -> None:
    launch = launch_of(ModelDefinition("x"), prepared, tmp_path / "environments", print, {"PATH": "/bin"})
    assert launch.arguments[0] == sys.executable
    assert launch.arguments[-1] == str(prepared.model)
    assert launch.directory == str(prepared.code)
    assert launch.opt_ml == str(prepared.base)


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, 60),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "5"}, 5),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "5", "SAGEMAKER_TS_RESPONSE_TIMEOUT": "9"}, 9),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "soon"}, 60),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "0"}, 60),
    ],
)
def test_how_long_an_answer_may_take(variables: dict[str, str], seconds: float) -> None:
    assert timeout_seconds(variables) == seconds
