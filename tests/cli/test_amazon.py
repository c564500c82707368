"""`--on sagemaker` from the command line, sent to our own server; what happens there is tests/pipeline/amazon's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.web.api.serving import ROLE, Api, serving
from tintype.cli.main import app
from tintype.errors import TintypeError

SCRIPT = "import argparse; print('loss: 1', argparse.ArgumentParser().parse_known_args())"
BUILT_IN = ("--model", "small_cnn", "--weights", "none", "--epochs", "2", "--seed", "7", "--max-runtime", "600")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Amazon's side."""
    with serving(tmp_path_factory.mktemp("amazon") / "home") as running:
        yield running


@pytest.fixture
def there(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The words that send a command there, from a home of ours."""
    for name, value in api.variables.items():
        monkeypatch.setenv(name, value)
    return ("--on", "sagemaker", "--role", ROLE, "--home", str(tmp_path / "mine"), "--json")


def answer(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, words)
    if done.exception:
        raise done.exception
    return json.loads(done.stdout)


def test_the_built_in_trainer_is_told_all_that_was_asked_for(api: Api, there: tuple[str, ...], colours: Path) -> None:
    said = answer("train", str(colours), "--name", "ants", *BUILT_IN, "-p", "lr=0.01", "--no-wait", *there)
    assert said == {"name": "ants", "status": "InProgress"}
    asked = api.sagemaker.describe_training_job(TrainingJobName="ants")
    api.sagemaker.stop_training_job(TrainingJobName="ants")
    told = {"model": "small_cnn", "weights": "none", "epochs": "2", "seed": "7", "lr": "0.01"}
    assert told.items() <= asked["HyperParameters"].items()
    assert asked["StoppingCondition"]["MaxRuntimeInSeconds"] == 600


def test_a_network_that_nobody_publishes_weights_of_is_not_frozen_there(
    api: Api, there: tuple[str, ...], colours: Path
) -> None:
    words = ("--model", "small_cnn", "--instance-type", "ml.m5.large", "--no-wait")
    assert answer("train", str(colours), "--name", "fresh", *words, *there)["status"] == "InProgress"
    asked = api.sagemaker.describe_training_job(TrainingJobName="fresh")
    api.sagemaker.stop_training_job(TrainingJobName="fresh")
    assert {"model": "small_cnn", "weights": "none", "freeze": "none"}.items() <= asked["HyperParameters"].items()


def test_a_search_over_it(api: Api, there: tuple[str, ...], colours: Path) -> None:
    words = ("--range", "lr=0.001:0.1:log", "--max-jobs", "1", "--no-wait", "--instance-type", "ml.m5.large")
    assert answer("tune", str(colours), "--name", "bees", *BUILT_IN, *words, *there)["status"] == "InProgress"
    name = {"HyperParameterTuningJobName": "bees"}
    asked = api.sagemaker.describe_hyper_parameter_tuning_job(**name)
    api.sagemaker.stop_hyper_parameter_tuning_job(**name)
    assert asked["HyperParameterTuningJobConfig"]["RandomSeed"] == 7
    definition = asked["TrainingJobDefinition"]
    assert {"model": "small_cnn", "seed": "7"}.items() <= definition["StaticHyperParameters"].items()
    assert definition["HyperParameterTuningResourceConfig"]["InstanceType"] == "ml.m5.large"


def test_a_script_is_trained_there_and_told_of_here(there: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCRIPT)
    words = ("--name", "cats", "-p", "lr=1", "--metric", "loss=loss: (.)")
    job = answer("train", str(tmp_path / "mine.py"), *words, *there)
    assert (job["name"], job["status"]) == ("cats", "Completed")
    assert Path(job["directory"]).is_relative_to(tmp_path / "mine")


@pytest.mark.parametrize(
    ("command", "words", "says"),
    [
        ("train", ("--model", "small_cnnn"), "no network named 'small_cnnn'; did you mean 'small_cnn'"),
        ("tune", ("--range", "model=small_cnn,small_cnnn"), "no network named 'small_cnnn'"),
        ("tune", ("--objective", "accuracy"), "did you mean 'valid:accuracy'"),
        ("train", ("--weights", __file__), "does not go along to SageMaker"),
        ("train", ("--rule", "Overfit"), "--rule is for jobs on this machine"),
        ("tune", ("--strict",), "--strict is for the built-in trainer on this machine"),
        ("train", ("--role", ""), "--on sagemaker needs --role ARN"),
    ],
)
def test_what_cannot_be_there_is_refused_before_anything_is_sent(
    api: Api, there: tuple[str, ...], colours: Path, command: str, words: tuple[str, ...], says: str
) -> None:
    given = [*there, "--name", "wrong", *words]
    with pytest.raises(TintypeError, match=says):
        answer(command, str(colours), *given)
    assert not api.sagemaker.list_training_jobs(NameContains="wrong")["TrainingJobSummaries"]
