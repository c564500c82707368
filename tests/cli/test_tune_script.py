"""`tintype tune --entry-point` and `tintype tuning`, as a person uses them, with Ctrl-C and worse."""

from __future__ import annotations

import csv
import io
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.pipeline.tuning_home import METRIC, SCRIPT, opened
from tintype.cli.main import app
from tintype.errors import Conflict, TintypeError
from tintype.pipeline.coordination import find_tuning
from tintype.pipeline.tuning_plan import PLAN_KIND
from tintype.tuning.analytics import OWN_COLUMNS
from tintype.tuning.state import TuningStatus
from tintype.workspace import Workspace

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("tune")
    (folder / "script.py").write_text(SCRIPT)
    with opened(folder / "home") as (found, _):
        yield found


@pytest.fixture
def name() -> str:
    return f"bees-{next(NUMBERS)}"


def command(workspace: Workspace, *words: str) -> list[str]:
    return [sys.executable, "-m", "tintype", *words, "--home", str(workspace.home)]


def tune(workspace: Workspace, name: str, *words: str) -> list[str]:
    script = workspace.home.parent / "script.py"
    given = ("--entry-point", str(script), "--name", name, "--range", "lr=0.001:0.1:log", "--metric", METRIC)
    return command(workspace, "tune", *given, "--objective", "average test loss", *words)


def invoked(words: list[str]) -> Result:
    """A command within this process, which saves its imports."""
    return CliRunner().invoke(app, words[3:])


def answer(words: list[str]) -> dict[str, Any]:
    done = invoked([*words, "--json"])
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def wait_for_status(workspace: Workspace, name: str, *wanted: TuningStatus, trials: int = 0) -> None:
    deadline = time.monotonic() + 120
    while (state := find_tuning(workspace.records, name)) is None or (
        state.status not in wanted or len(state.trials) < trials
    ):
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


def test_a_search_and_what_can_be_asked_about_it(workspace: Workspace, name: str, tmp_path: Path) -> None:
    words = ("--range", "optimizer=sgd,adam", "--max-jobs", "3", "--max-parallel-jobs", "2", "-p", "epochs=1")
    found = answer(tune(workspace, name, *words))
    assert (found["name"], found["status"], found["counts"]["Completed"]) == (name, "Completed", 3)
    assert found["best"]["job"] in {trial["job"] for trial in found["trials"]}
    assert found["best"]["hyperparameters"]["epochs"] == "1"
    assert found["direction"] == "Minimize"             # as the objective's name says
    shown = answer(command(workspace, "tuning", "show", name))
    assert shown["best"] == found["best"]
    assert shown["importance_note"] == "3 trials have completed; importance needs at least 10"
    assert answer(command(workspace, "tuning", "best", name)) == found["best"]
    table = tmp_path / "trials.csv"
    answer(command(workspace, "tuning", "export", name, "--csv", str(table)))
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert list(rows[0]) == ["lr", "optimizer", *OWN_COLUMNS]
    assert {row["TrainingJobName"] for row in rows} == {trial["job"] for trial in found["trials"]}
    listed = answer(command(workspace, "tuning", "list", "--name-contains", name.upper()))
    assert [one["name"] for one in listed["tuning_jobs"]] == [name]


def test_ctrl_c_stops_the_trials_and_resume_goes_on(workspace: Workspace, name: str) -> None:
    words = tune(workspace, name, "--max-jobs", "2", "-p", "seconds=1.5")
    # What runs in the background ignores Ctrl-C, and so do its children: these tests may.
    words = ["env", "--default-signal=INT", *words]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for_status(workspace, name, TuningStatus.IN_PROGRESS, trials=1)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "asked the trials to stop" in said
    assert f"tuning job {name} was stopped: stopped by its owner; `tintype tuning resume {name}` goes on" in errors
    assert {str(job.status) for job in workspace.jobs.list(parent=name)} == {"Stopped"}
    found = answer(command(workspace, "tuning", "resume", name))
    assert found["counts"] == {"InProgress": 0, "Stopping": 0, "Completed": 2, "Failed": 0, "Stopped": 0}


def test_kill_of_the_command_leaves_it_running(workspace: Workspace, name: str) -> None:
    words = tune(workspace, name, "--max-jobs", "2", "-p", "seconds=0.3")
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for_status(workspace, name, TuningStatus.IN_PROGRESS, trials=1)
        process.kill()
    wait_for_status(workspace, name, TuningStatus.COMPLETED, trials=2)


def test_without_waiting_it_can_be_stopped(workspace: Workspace, name: str) -> None:
    found = answer(tune(workspace, name, "--max-jobs", "2", "-p", "seconds=200", "--no-wait"))
    assert found["status"] == "InProgress"
    assert answer(command(workspace, "tuning", "stop", name)) == {"name": name, "status": "Stopping"}
    wait_for_status(workspace, name, TuningStatus.STOPPED)
    assert "there is nothing to stop" in str(invoked(command(workspace, "tuning", "stop", name)).exception)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metric", "other=("], "other"),
        (["--objective", "accuracy"], "no metric is defined for the objective 'accuracy'"),
        (["--objective", "score", "--metric", "score=score: (.*)"], "say --direction minimize or maximize"),
        (["--strategy", "grid"], "a grid has no end over the continuous range"),
        (["--warm-start", "nobody"], "no tuning job named 'nobody'"),
        (["--channel", "train=/nowhere/at/all"], "/nowhere/at/all"),
        (["photos"], "DATA is for the built-in trainer"),
    ],
)
def test_what_is_wrong_is_said_at_once(workspace: Workspace, name: str, words: list[str], message: str) -> None:
    done = invoked(tune(workspace, name, *words))
    assert isinstance(done.exception, TintypeError)
    assert message in str(done.exception)
    assert done.exception.exit_code == 2
    assert find_tuning(workspace.records, name) is None


def test_a_taken_name_is_said_before_anything_is_looked_for(workspace: Workspace, name: str) -> None:
    workspace.records.create(PLAN_KIND, name, {})           # its coordinator has not said a word yet
    done = invoked(tune(workspace, name, "--channel", "train=/nowhere/at/all"))
    assert isinstance(done.exception, Conflict)
    assert f"a tuning job named {name!r} is there already" in str(done.exception)
    done = invoked(tune(workspace, "no name", "--channel", "train=/nowhere/at/all"))
    assert "tuning job" in str(done.exception)
