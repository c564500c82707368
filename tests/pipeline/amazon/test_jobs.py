"""The other direction, proved against our own server: boto3 validates every request before it is sent."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.amazon.listening import Listening
from tests.web.api.serving import ROLE, Api, serving
from tintype.errors import Conflict, InvalidRequest, JobFailed
from tintype.jobs.job import Channel, JobSpec, MetricDefinition, Resources, Source
from tintype.pipeline.amazon.account import connect
from tintype.pipeline.amazon.following import follow_training, follow_tuning
from tintype.pipeline.amazon.jobs import train, tune
from tintype.pipeline.amazon.remote import Remote
from tintype.settings import Settings
from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Categorical, Continuous
from tintype.tuning.settings import StrategyName, TuningSettings
from tintype.tuning.space import Space
from tintype.workspace import Workspace, open_workspace

SCRIPT = """
import argparse, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--kind", default="none")
given = parser.parse_args()
print("kind", given.kind, sorted(os.listdir(os.environ["SM_CHANNEL_TRAIN"])))
print(f"loss: {abs(given.lr - 0.01):.5f}")
open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write(given.kind)
"""
POLL = 0.1


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Amazon's side."""
    with serving(tmp_path_factory.mktemp("amazon") / "home") as running:
        yield running


@pytest.fixture
def remote(api: Api, monkeypatch: pytest.MonkeyPatch) -> Remote:
    for name, value in api.variables.items():
        monkeypatch.setenv(name, value)
    return connect(ROLE)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Our side, another home."""
    with open_workspace(Settings(home=tmp_path / "mine")) as opened:
        yield opened


def spec_of(tmp_path: Path, script: str = SCRIPT) -> JobSpec:
    source, data = tmp_path / "source", tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    source.mkdir()
    (source / "train.py").write_text(script)
    (data / "1.jpg").write_bytes(b"1")
    (data / "deep" / "2.jpg").write_bytes(b"2")
    return JobSpec(
        Source("script", "train.py", str(source)),
        {"lr": "0.02"},
        (Channel("train", str(data)),),
        resources=Resources(instance_type="ml.m5.large"),
        metric_definitions=(MetricDefinition("loss", "loss: ([0-9.]+)"),),
        max_runtime_seconds=600,
        environment={"PYTHONPATH": "/only/here", "MINE": "1"},
        tags={"team": "dogs"},
    )


def test_a_training_is_done_there_and_brought_home(
    api: Api, remote: Remote, workspace: Workspace, tmp_path: Path
) -> None:
    watcher = Listening()
    job = train(workspace, remote, "there-1", spec_of(tmp_path), watcher, poll=POLL)
    assert job is not None
    assert "kind none ['1.jpg', 'deep']" in watcher.lines
    assert "loss: 0.01000" in watcher.lines
    assert watcher.notes[-1] == "there-1: Completed"
    with tarfile.open(Path(job.directory) / "model.tar.gz") as bundle:
        assert bundle.getnames() == ["model.txt"]
    assert workspace.jobs.get("there-1").status == "Completed"
    assert [(one.name, one.value) for one in workspace.records.latest("there-1")] == [("loss", 0.01)]
    asked = api.sagemaker.describe_training_job(TrainingJobName="there-1")
    assert asked["Environment"] == {"MINE": "1"}
    assert "pytorch-training:2.8.0-cpu-py312" in asked["AlgorithmSpecification"]["TrainingImage"]
    assert api.sagemaker.list_tags(ResourceArn=asked["TrainingJobArn"])["Tags"] == [{"Key": "team", "Value": "dogs"}]
    with pytest.raises(Conflict):
        train(workspace, remote, "there-1", spec_of(tmp_path / "again"), watcher, poll=POLL)


def test_a_failure_there_is_one_here(remote: Remote, workspace: Workspace, tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "raise ValueError('no such breed')")
    with pytest.raises(JobFailed, match="no such breed") as caught:
        train(workspace, remote, "there-2", spec, Listening(), poll=POLL)
    assert any("ValueError" in line for line in caught.value.log_tail)


def test_a_search_there_brings_its_best_job_home(
    api: Api, remote: Remote, workspace: Workspace, tmp_path: Path
) -> None:
    settings = TuningSettings(
        name="there-3",
        space=Space((Continuous("lr", 0.001, 0.1), Categorical("kind", ("a", "b")))),
        objective="loss",
        direction=Direction.MINIMIZE,
        strategy=StrategyName.RANDOM,
        max_jobs=2,
        target_value=0.0,
    )
    spec = JobSpec(**{**vars(spec_of(tmp_path)), "hyperparameters": {}})
    done = tune(workspace, remote, settings, spec, Listening(), poll=POLL)
    assert done is not None
    found, job = done
    assert found["BestTrainingJob"]["TrainingJobName"] == job.name
    assert found["BestTrainingJob"]["TunedHyperParameters"]["kind"] in ('"a"', '"b"')
    assert (Path(job.directory) / "model.tar.gz").is_file()
    configuration = found["HyperParameterTuningJobConfig"]
    assert configuration["TuningJobCompletionCriteria"] == {"TargetObjectiveMetricValue": 0.0}


def test_amazons_refusals_are_ours(remote: Remote, workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"AWS refuses: .*\(ValidationException\)"):
        train(workspace, remote, "under_score", spec_of(tmp_path), Listening(), poll=POLL)
    with pytest.raises(InvalidRequest, match="--role"):
        connect("nobody")


def test_without_waiting(api: Api, remote: Remote, workspace: Workspace, tmp_path: Path) -> None:
    assert train(workspace, remote, "there-4", spec_of(tmp_path), Listening(), wait=False) is None
    assert not workspace.jobs.exists("there-4")
    assert api.ended("there-4")["TrainingJobStatus"] == "Completed"


def interrupted(seconds: float) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_leaves_a_training_to_itself_and_says_how_to_see_and_stop_it(
    api: Api, remote: Remote, workspace: Workspace, tmp_path: Path
) -> None:
    spec = spec_of(tmp_path, "import time; print('begun', flush=True); time.sleep(300)")
    assert train(workspace, remote, "there-5", spec, Listening(), wait=False) is None
    watcher = Listening()
    with pytest.raises(KeyboardInterrupt):
        follow_training(remote, "there-5", watcher, sleep=interrupted)
    (words,) = watcher.warnings
    assert "aws logs tail /aws/sagemaker/TrainingJobs --log-stream-name-prefix there-5/ --follow" in words
    assert "aws sagemaker stop-training-job --training-job-name there-5" in words
    assert api.sagemaker.describe_training_job(TrainingJobName="there-5")["TrainingJobStatus"] == "InProgress"
    api.sagemaker.stop_training_job(TrainingJobName="there-5")
    assert api.ended("there-5")["TrainingJobStatus"] == "Stopped"


def test_ctrl_c_leaves_a_search_to_itself(api: Api, remote: Remote, workspace: Workspace, tmp_path: Path) -> None:
    space = Space((Continuous("lr", 0.001, 0.1),))
    settings = TuningSettings(name="there-6", space=space, objective="loss", direction=Direction.MINIMIZE, max_jobs=1)
    script = "import time; print('loss: 1', flush=True); time.sleep(300)"
    spec = JobSpec(**{**vars(spec_of(tmp_path, script)), "hyperparameters": {}})
    assert tune(workspace, remote, settings, spec, Listening(), wait=False) is None
    watcher = Listening()
    with pytest.raises(KeyboardInterrupt):
        follow_tuning(remote, "there-6", watcher, sleep=interrupted)
    (words,) = watcher.warnings
    assert "stop-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name there-6" in words
    name = {"HyperParameterTuningJobName": "there-6"}
    assert api.sagemaker.describe_hyper_parameter_tuning_job(**name)["HyperParameterTuningJobStatus"] == "InProgress"
    api.sagemaker.stop_hyper_parameter_tuning_job(**name)
    assert api.tuned("there-6")["HyperParameterTuningJobStatus"] == "Stopped"
