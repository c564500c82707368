from __future__ import annotations

import json
from pathlib import Path

import pytest

from tintype.jobs.configuration_files import (
    checkpoint_config,
    hook_config,
    profiler_config,
    resource_config,
    write_configuration,
)
from tintype.jobs.directory import JobDirectory
from tintype.jobs.environment import Host, complete
from tintype.jobs.instances import Share
from tintype.jobs.specification import Channel, Checkpoint, JobSpec, Resources, Source
from tintype.site_folder import site_folder

WIRE = {
    "lr": "0.001", "batch-size": '"64"', "epochs": "2", "sagemaker_program": '"hpo.py"',
    "sagemaker_container_log_level": "20", "sagemaker_job_name": '"hpo_tuning-2022"', "sagemaker_region": '"us-west-2"',
    "sagemaker_submit_directory": '"s3://bucket/source/sourcedir.tar.gz"', "sagemaker_estimator_module": '"x.y"',
    "_tuning_objective_metric": '"average test loss"',
}  # fmt: skip

# The list of spec 4.1: every one must be there.
TOOLKIT = """
HOSTS NETWORK_INTERFACE_NAME HPS USER_ENTRY_POINT FRAMEWORK_PARAMS RESOURCE_CONFIG INPUT_DATA_CONFIG
OUTPUT_DATA_DIR CHANNELS CURRENT_HOST CURRENT_INSTANCE_TYPE CURRENT_INSTANCE_GROUP CURRENT_INSTANCE_GROUP_HOSTS
INSTANCE_GROUPS INSTANCE_GROUPS_DICT DISTRIBUTION_INSTANCE_GROUPS IS_HETERO MODULE_NAME LOG_LEVEL FRAMEWORK_MODULE
INPUT_DIR INPUT_CONFIG_DIR OUTPUT_DIR NUM_CPUS NUM_GPUS NUM_NEURONS MODEL_DIR MODULE_DIR TRAINING_ENV USER_ARGS
OUTPUT_INTERMEDIATE_DIR
"""


def spec(resources: Resources | None = None, **changes: object) -> JobSpec:
    given = {
        "source": Source("script", "hpo.py"),
        "hyperparameters": WIRE,
        "channels": (Channel("train", "/data/train"), Channel("my-Test", "/data/test", content_type="image/jpeg")),
        "resources": resources or Resources("ml.g4dn.xlarge"),
        "environment": {"MINE": "1"},
    }
    return JobSpec(**{**given, **changes})  # pyright: ignore[reportArgumentType]


def variables(asked: JobSpec, index: int = 0, share: Share | None = None, **inherited: str) -> dict[str, str]:
    share = share or Share(4, 0, 1)
    host = Host(index, JobDirectory(Path("/job")).host(index), share, (3,) if share.gpus else None)
    return complete("job-1", asked, host, "hpo.py", inherited)


def test_every_variable_of_the_toolkit_is_there() -> None:
    found = variables(spec())
    assert {f"SM_{name}" for name in TOOLKIT.split()} <= set(found)
    lists = ("HOSTS", "CHANNELS", "USER_ARGS", "INSTANCE_GROUPS", "CURRENT_INSTANCE_GROUP_HOSTS")
    assert all(isinstance(json.loads(found[f"SM_{name}"]), list) for name in lists)
    assert json.loads(found["SM_HPS"]) == {"lr": 0.001, "batch-size": "64", "epochs": 2}
    assert json.loads(found["SM_USER_ARGS"]) == ["--batch-size", "64", "--epochs", "2", "--lr", "0.001"]
    assert found["SM_HP_BATCH-SIZE"] == "64"
    assert json.loads(found["SM_FRAMEWORK_PARAMS"]) == {"sagemaker_estimator_module": "x.y"}


def test_paths_are_the_jobs_own() -> None:
    found = variables(spec())
    assert found["SM_MODEL_DIR"] == "/job/model"
    assert found["SM_CHANNEL_TRAIN"] == "/job/input/data/train"
    assert found["SM_CHANNEL_MY-TEST"] == "/job/input/data/my-Test"
    assert json.loads(found["SM_CHANNELS"]) == ["my-Test", "train"]
    assert found["SM_OUTPUT_DATA_DIR"] == "/job/output/data"
    assert found["SMDEBUG_CONFIG_FILE_PATH"] == "/job/input/config/debughookconfig.json"
    assert not [name for name, value in found.items() if "/opt/ml" in value]


def test_what_the_platform_says() -> None:
    found = variables(spec())
    assert (found["TRAINING_JOB_NAME"], found["CURRENT_HOST"], found["AWS_REGION"]) == ("job-1", "algo-1", "us-west-2")
    assert found["SAGEMAKER_JOB_NAME"] == "hpo_tuning-2022"
    assert found["SM_MODULE_DIR"] == found["SAGEMAKER_SUBMIT_DIRECTORY"] == "s3://bucket/source/sourcedir.tar.gz"
    assert (found["SM_NUM_CPUS"], found["SM_NUM_GPUS"], found["OMP_NUM_THREADS"]) == ("4", "1", "4")
    assert found["SM_LOG_LEVEL"] == "20"
    assert found["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"
    assert found["PYTHONUNBUFFERED"] == "1"
    assert found["MINE"] == "1"
    assert variables(spec(), AWS_REGION="eu-west-1", HOME="/home/x")["HOME"] == "/home/x"


def test_our_own_trainer_keeps_torchs_safe_default() -> None:
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in variables(spec(source=Source("module", "tintype.training")))


@pytest.mark.parametrize(
    ("instance_type", "gpus", "seen"),
    [("ml.m5.xlarge", 0, ""), ("ml.g4dn.xlarge", 1, "3"), ("", 1, "3"), ("", 0, ""), ("ml.g4dn.xlarge", 0, "")],
)
def test_a_cpu_instance_hides_the_gpus(instance_type: str, gpus: int, seen: str) -> None:
    found = variables(spec(Resources(instance_type)), share=Share(2, 0, gpus))
    assert found["CUDA_VISIBLE_DEVICES"] == seen
    assert found["SM_NUM_GPUS"] == str(gpus)


def test_gpus_are_counted_among_those_that_tintype_was_given() -> None:
    assert variables(spec(), CUDA_VISIBLE_DEVICES="0, 4,5,GPU-8f1a")["CUDA_VISIBLE_DEVICES"] == "GPU-8f1a"


def test_another_jobs_variables_are_not_inherited() -> None:
    found = variables(
        spec(), SM_CHANNEL_OLD="/x", SAGEMAKER_X="1", RANK="3", TRAINING_JOB_NAME="other", PYTHONPATH="/p"
    )
    assert found["TRAINING_JOB_NAME"] == "job-1"
    assert not {"SM_CHANNEL_OLD", "SAGEMAKER_X", "RANK", "WORLD_SIZE"} & set(found)
    assert found["PYTHONPATH"] == f"/job/code:/p:{site_folder()}"
    asked = spec(environment={"PYTHONPATH": "/mine", "SM_MODEL_DIR": "/no", "OMP_NUM_THREADS": "1"})
    own = variables(asked, PYTHONPATH="/p")
    assert own["PYTHONPATH"] == f"/job/code:/mine:/p:{site_folder()}"
    assert own["SM_MODEL_DIR"] == "/job/model"          # the toolkit writes it last, as in the container
    assert own["OMP_NUM_THREADS"] == "1"


def test_two_hosts_know_each_other() -> None:
    first, second = (variables(spec(Resources(instance_count=2)), index) for index in range(2))
    assert json.loads(second["SM_HOSTS"]) == ["algo-1", "algo-2"]
    assert (first["SM_CURRENT_HOST"], second["SM_CURRENT_HOST"]) == ("algo-1", "algo-2")
    assert (first["RANK"], second["RANK"], second["WORLD_SIZE"], second["LOCAL_RANK"]) == ("0", "1", "2", "0")
    assert first["MASTER_PORT"] == second["MASTER_PORT"]
    assert second["SM_MODEL_DIR"] == "/job/hosts/algo-2/model"
    assert json.loads(second["SM_TRAINING_ENV"])["is_master"] is False
    assert json.loads(second["SM_RESOURCE_CONFIG"])["current_host"] == "algo-2"


def test_the_files_hold_the_wire_to_the_letter(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path)
    directory.lay_out()
    odd = {"text": '"it\'s \\"ü\\"\\n"', "broken": "{not json", "empty": "", "lr": "0.001"}
    write_configuration(spec(hyperparameters=odd), directory, 0)
    assert json.loads(directory.hyperparameters.read_text()) == odd
    assert json.loads((directory.config / "inputdataconfig.json").read_text()) == {
        "train": {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"},
        "my-Test": {
            "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None",
            "ContentType": "image/jpeg",
        },
    }  # fmt: skip
    assert sorted(path.name for path in directory.config.iterdir()) == [
        "hyperparameters.json", "inputdataconfig.json", "resourceconfig.json",
    ]  # fmt: skip


def test_resource_config_is_the_platforms() -> None:
    assert resource_config(Resources("ml.m5.large", 2), 1) == {
        "current_host": "algo-2", "current_instance_type": "ml.m5.large", "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1", "algo-2"], "network_interface_name": "lo",
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1", "algo-2"]}
        ],
    }  # fmt: skip


def test_the_hook_and_the_profiler_write_into_the_job() -> None:
    host = JobDirectory(Path("/job"))
    assert hook_config(None, host) is None
    collections = [{"CollectionName": "losses"}]
    hook = hook_config({"S3OutputPath": "s3://b/", "CollectionConfigurations": collections}, host)
    assert hook == {
        "S3OutputPath": "s3://b/", "CollectionConfigurations": collections, "LocalPath": "/job/output/tensors",
    }  # fmt: skip
    assert hook_config({"LocalPath": "/opt/ml/output/mine/"}, host) == {"LocalPath": "/job/output/mine"}
    assert hook_config({"LocalPath": "/elsewhere"}, host) == {"LocalPath": "/elsewhere"}
    assert profiler_config({"DisableProfiler": True}, host) == {"DisableProfiler": True}
    told = profiler_config({"ProfilingParameters": {"LocalPath": "/opt/ml/output/profiler/", "X": "1"}}, host)
    assert told == {"ProfilingParameters": {"LocalPath": "/job/output/profiler", "X": "1"}}


def test_checkpoints_are_said_only_when_asked_for() -> None:
    host = JobDirectory(Path("/job"))
    assert checkpoint_config(Checkpoint(), host) is None
    asked = checkpoint_config(Checkpoint(url="s3://b/c"), host)
    assert asked == {"LocalPath": "/job/checkpoints", "S3Uri": "s3://b/c"}
    assert checkpoint_config(Checkpoint("/opt/ml/ckpt"), host) == {"LocalPath": "/job/ckpt"}
