"""Tuning jobs over the real engine: trials are jobs, and outlive whoever asked for them."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.jobs.running_engine import SECONDS, until
from tests.pipeline.tuning_home import SCRIPT, opened, plan
from tintype.errors import Conflict
from tintype.jobs import shared_inputs
from tintype.jobs.client import Engine
from tintype.jobs.job import Channel, Status
from tintype.pipeline import coordination
from tintype.pipeline.coordination import completed
from tintype.pipeline.coordinator import coordinate
from tintype.pipeline.tuning_plan import ScriptTrials, save_plan
from tintype.pipeline.watching import Silent
from tintype.tuning.settings import EarlyStopping, StrategyName
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.trial import TrialStatus
from tintype.workspace import Workspace

Home = tuple[Workspace, Engine]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One for all, as an agent takes seconds to start."""
    with opened(tmp_path_factory.mktemp("coordinator") / "home") as found:
        yield found


@pytest.fixture
def name() -> str:
    """Of a tuning job of the test's own."""
    return f"ants-{next(NUMBERS)}"


def tuned(home: Home, name: str, **search: object) -> TuningState:
    workspace, engine = home
    wanted = plan(workspace, name=name, **search)  # type: ignore[arg-type]
    save_plan(workspace.records, wanted)
    coordinate(workspace, engine, name)
    return coordination.tuning_state(workspace.records, name)


def test_every_trial_is_a_job_of_the_script(home: Home, name: str) -> None:
    workspace, _ = home
    state = tuned(home, name, max_jobs=3, max_parallel_jobs=2, ranges=["lr=0.001:0.1:log", "optimizer=sgd,adam"])
    assert (state.status, state.reason) == (TuningStatus.COMPLETED, "all 3 trials are over")
    for trial in state.trials:
        job = workspace.jobs.get(trial.name)
        assert (job.status, job.parent) == (Status.COMPLETED, name)
        assert job.spec is not None
        wire = job.spec.hyperparameters
        assert wire["lr"] == str(trial.hyperparameters["lr"])
        assert wire["optimizer"] == f'"{trial.hyperparameters["optimizer"]}"'
        assert wire["_tuning_objective_metric"] == '"average test loss"'
        assert [step for step, _ in trial.history] == [1, 2]
        assert trial.value == pytest.approx(abs(float(trial.hyperparameters["lr"]) - 0.03) + 0.5, abs=1e-6)
    assert workspace.records.holder("tuning-job", name) is None


def test_a_trial_that_never_says_the_metric_fails_with_its_name(home: Home, name: str) -> None:
    state = tuned(home, name, text="print('Loss: 1.0')", max_jobs=2)
    told = "the metric 'average test loss' was never reported; nor was any other"
    assert [trial.reason for trial in state.trials] == [told] * 2
    assert state.status is TuningStatus.FAILED
    assert state.reason.startswith("No training job succeeded after 2 attempts. Please take a look")
    assert state.reason.endswith(f"{told} (and one other like it)")


def test_a_trial_that_crashes_or_ends_in_nan_is_counted_and_not_fatal(home: Home, name: str) -> None:
    text = (
        "import argparse\np = argparse.ArgumentParser(); p.add_argument('--how')\nhow = p.parse_args().how\n"
        "if how == 'crash': raise RuntimeError('out of luck')\n"
        "print('Average test loss: ' + ('nan' if how == 'nan' else '0.5'))\n"
    )
    metric = "average test loss=Average test loss: ([0-9.]+|nan)"
    state = tuned(
        home, name, text=text, metric=metric, ranges=["how=crash,nan,fine"], strategy=StrategyName.GRID, max_jobs=None
    )
    assert state.status is TuningStatus.COMPLETED
    by_how = {str(trial.hyperparameters["how"]): trial for trial in state.trials}
    assert by_how["fine"].value == 0.5
    assert "out of luck" in by_how["crash"].reason
    assert "is nan" in by_how["nan"].reason
    assert {one.status for one in (by_how["crash"], by_how["nan"])} == {TrialStatus.FAILED}


def test_early_stopping_stops_the_process(home: Home, name: str) -> None:
    """From the fourth trial on those that do worse are stopped at their first epochs."""
    text = SCRIPT.replace("abs(given.lr - 0.03)", "(0 if given.lr < 0.5 else 10)").replace("1 / (epoch + 1)", "0.5")
    state = tuned(
        home, name, text=text, ranges=["lr=0.1,0.9,0.2,0.3"], strategy=StrategyName.GRID, max_jobs=None,
        early_stopping=EarlyStopping.AUTO, parameters={"epochs": "60", "seconds": "0.04"},
    )  # fmt: skip
    last = state.trials[-1]
    assert last.hyperparameters["lr"] == 0.9            # in the order of the grid
    assert last.status is TrialStatus.STOPPED
    assert last.reason.startswith("early stopping: ")
    assert len(last.history) < 60
    assert home[0].jobs.get(last.name).status is Status.STOPPED


def test_a_target_ends_it_and_stops_what_runs(home: Home, name: str) -> None:
    workspace, _ = home
    text = SCRIPT.replace("given.seconds)", "0.0 if given.lr < 0.5 else 60.0)")
    state = tuned(
        home, name, text=text, ranges=["lr=0.1,0.9"], strategy=StrategyName.GRID, max_jobs=None, max_parallel_jobs=2,
        target_value=100.0,
    )  # fmt: skip
    assert state.status is TuningStatus.COMPLETED
    assert "reached the target" in state.reason
    assert {str(job.status) for job in workspace.jobs.list(parent=name)} == {"Completed", "Stopped"}


def test_a_search_over_postgres(tmp_path: Path, name: str, postgres_url: str) -> None:
    with opened(tmp_path / "home", database_url=postgres_url) as home:
        state = tuned(home, name, max_jobs=2, max_parallel_jobs=2)
        assert [trial.status for trial in state.trials] == [TrialStatus.COMPLETED] * 2
        assert [len(trial.history) for trial in state.trials] == [2, 2]
    assert not (tmp_path / "home" / "tintype.db").exists()


def test_ctrl_c_before_the_coordinator_has_begun_stops_it(
    home: Home, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, _ = home
    first = coordination.begin(workspace, plan(workspace, name=name, max_jobs=50))
    has_ended, calls = coordination.Coordinator._has_ended, itertools.count()

    def interrupted(self: coordination.Coordinator) -> bool:
        if next(calls) == 0:
            raise KeyboardInterrupt
        return has_ended(self)

    monkeypatch.setattr(coordination.Coordinator, "_has_ended", interrupted)
    state = first.follow(Silent())
    assert (state.status, state.reason) == (TuningStatus.STOPPED, "stopped by its owner")
    assert not state.trials


def test_what_trials_have_shared_is_gone_afterwards(home: Home, name: str) -> None:
    """Three trials of a channel that has to be fetched: each finds it, and neither they nor the home keep it."""
    workspace, _ = home
    with zipfile.ZipFile(workspace.home.parent / "data.zip", "w") as archive:
        archive.writestr("train/1.txt", "0.25")
    text = (
        "import os\npath = os.path.join(os.environ['SM_CHANNEL_TRAIN'], '1.txt')\n"
        "print('Average test loss: ' + open(path).read())\nopen(path, 'w').write('9.0')\n"
    )
    wanted = plan(workspace, text, name=name, max_jobs=3)
    assert isinstance(wanted.trials, ScriptTrials)
    channel = Channel("train", f"zip://train::file://{workspace.home.parent / 'data.zip'}")
    wanted = replace(wanted, trials=replace(wanted.trials, spec=replace(wanted.trials.spec, channels=(channel,))))
    state = coordination.begin(workspace, wanted).follow(Silent())
    assert [trial.value for trial in state.trials] == [0.25] * 3
    said = [(workspace.job_directory(one.name) / "logs" / "training.log").read_text() for one in state.trials]
    assert ["as another trial has fetched them" in one for one in said] == [False, True, True]
    assert not any((workspace.job_directory(one.name) / "input" / "data" / "train").exists() for one in state.trials)
    assert not shared_inputs.folder_of(workspace.home, name).exists()


class TestResuming:
    """Coordinators are killed; the engine goes on."""

    def test_an_adopted_trial_is_followed_from_its_start(self, home: Home, name: str) -> None:
        workspace, _ = home
        wanted = plan(workspace, name=name, max_jobs=1, parameters={"epochs": "8", "seconds": "0.5"})
        first = coordination.begin(workspace, wanted)
        wait_for(lambda: workspace.jobs.measurements(only_trial(workspace, name)))
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        read = coordination.tuning_state(workspace.records, name)
        assert read.status is TuningStatus.STOPPED
        assert read.reason.endswith(f"`tintype tuning resume {name}` goes on")
        state = coordination.resume(workspace, name).follow(Silent())
        assert state.status is TuningStatus.COMPLETED
        (trial,) = state.trials
        assert [step for step, _ in trial.history] == list(range(1, 9))
        assert workspace.jobs.get(trial.name).attempt == 1

    def test_one_that_has_just_been_asked_for_is_not_called_stopped(
        self, home: Home, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, _ = home
        save_plan(workspace.records, plan(workspace, name=name, max_jobs=1))
        assert coordination.tuning_state(workspace.records, name).status is TuningStatus.IN_PROGRESS
        assert coordination.request_stop(workspace.records, name).status is TuningStatus.STOPPING
        assert coordination.tuning_state(workspace.records, name).status is TuningStatus.STOPPING
        monkeypatch.setattr(coordination, "APPOINT_SECONDS", 1.0)
        state = coordination.resume(workspace, name).follow(Silent())   # nobody has come, and it goes on
        assert state.status is TuningStatus.COMPLETED

    def test_one_whose_process_takes_long_to_begin_is_on_its_way(
        self, home: Home, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, _ = home
        monkeypatch.setattr(coordination, "APPOINT_SECONDS", 0.0)
        first = coordination.begin(workspace, plan(workspace, name=name, max_jobs=1))
        os.kill(first.pid, signal.SIGSTOP)              # a busy machine
        assert coordination.tuning_state(workspace.records, name).status is TuningStatus.IN_PROGRESS
        with pytest.raises(Conflict, match="it is under way"):
            coordination.resume(workspace, name)
        os.kill(first.pid, signal.SIGCONT)
        assert first.follow(Silent()).status is TuningStatus.COMPLETED

    def test_one_whose_process_dies_before_its_first_word_can_go_on(self, home: Home, name: str) -> None:
        workspace, _ = home
        first = coordination.begin(workspace, plan(workspace, name=name, max_jobs=1))
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        assert coordination.tuning_state(workspace.records, name).status is TuningStatus.STOPPED
        again = coordination.resume(workspace, name)
        assert coordination.tuning_state(workspace.records, name).status is TuningStatus.IN_PROGRESS
        assert again.follow(Silent()).status is TuningStatus.COMPLETED

    def test_nothing_is_left_of_one_that_cannot_be_started(
        self, home: Home, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, _ = home
        wanted = plan(workspace, name=name, max_jobs=1)
        with monkeypatch.context() as without_python:
            without_python.setattr(sys, "executable", "/nowhere/python")
            with pytest.raises(FileNotFoundError):
                coordination.begin(workspace, wanted)
        assert coordination.begin(workspace, wanted).follow(Silent()).status is TuningStatus.COMPLETED

    def test_one_that_completed_meanwhile_is_taken_as_it_is(self, home: Home, name: str) -> None:
        workspace, engine = home
        wanted = plan(workspace, name=name, max_jobs=1, parameters={"epochs": "3", "seconds": "1.0"})
        first = coordination.begin(workspace, wanted)
        wait_for(lambda: only_trial(workspace, name))
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        engine.wait(only_trial(workspace, name), timeout=SECONDS)
        state = coordination.resume(workspace, name).follow(Silent())
        assert [trial.status for trial in state.trials] == [TrialStatus.COMPLETED]
        assert len(state.trials[0].history) == 3
        assert len(workspace.jobs.measurements(state.trials[0].name)) == 3

    def test_a_stop_in_good_order_and_going_on(self, home: Home, name: str) -> None:
        workspace, _ = home
        wanted = plan(workspace, name=name, max_jobs=2, parameters={"epochs": "3", "seconds": "1.0"})
        first = coordination.begin(workspace, wanted)
        wait_for(lambda: only_trial(workspace, name))
        assert coordination.request_stop(workspace.records, name).status is TuningStatus.STOPPING
        state = first.follow(Silent())
        assert (state.status, state.reason) == (TuningStatus.STOPPED, "stopped by its owner")
        assert workspace.jobs.get(only_trial(workspace, name)).status is Status.STOPPED
        with pytest.raises(Conflict, match="nothing to stop"):
            coordination.request_stop(workspace.records, name)
        state = coordination.resume(workspace, name).follow(Silent())
        assert state.status is TuningStatus.COMPLETED
        assert [len(trial.history) for trial in state.trials] == [3, 3]
        with pytest.raises(Conflict, match="it has ended"):
            coordination.resume(workspace, name)

    def test_of_two_coordinators_one_is_turned_away(self, home: Home, name: str) -> None:
        workspace, engine = home
        wanted = plan(workspace, name=name, max_jobs=1, parameters={"epochs": "4", "seconds": "0.5"})
        first = coordination.begin(workspace, wanted)
        with pytest.raises(Conflict, match="is coordinated by process"):
            coordinate(workspace, engine, name)
        with pytest.raises(Conflict, match="it is under way"):
            coordination.resume(workspace, name)
        assert completed(first.follow(Silent())).best is not None

    def test_a_name_is_taken_once(self, home: Home, name: str) -> None:
        workspace, _ = home
        wanted = plan(workspace, name=name)
        save_plan(workspace.records, wanted)
        with pytest.raises(Conflict, match="is there already"):
            coordination.begin(workspace, wanted)


def only_trial(workspace: Workspace, name: str) -> str:
    """The name of the first trial's job; "" before there is one."""
    jobs = workspace.jobs.list(parent=name)
    return jobs[-1].name if jobs else ""


def wait_for(what: Callable[[], object]) -> None:
    until(lambda: bool(what()), what=lambda: "it did not happen")
