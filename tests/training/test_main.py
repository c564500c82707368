from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.processes import events_of, finished, plan_file, started, until, written
from tests.training.small_jobs import PlanMaker
from tintype.training.__main__ import on_signals, run_once
from tintype.training.events import End, Event, Failure, Outcome


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, action in before.items():
        signal.signal(number, action)


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "import runpy\n"
        "try: runpy.run_module('tintype.training', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'timm', 'numpy', 'PIL'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "--events" in done.stdout


def test_a_plan_that_is_none_ends_with_two(tmp_path: Path) -> None:
    code, events, errors = finished(str(tmp_path / "plan.json"))
    assert (code, events) == (2, [])
    assert "there is no file" in errors
    (tmp_path / "plan.json").write_text('{"name": "x"}')
    code, events, errors = finished(str(tmp_path / "plan.json"))
    assert (code, events) == (2, [])
    assert errors.startswith("training plan: ")
    assert "Traceback" not in errors


def test_one_job_says_events_and_nothing_else(make_plan: PlanMaker) -> None:
    plan = make_plan({"epochs": 1})
    code, events, errors = finished(plan_file(plan))
    assert code == 0, errors
    kinds = [event["event"] for event in events]
    assert kinds[-2:] == ["result", "end"]
    assert kinds.count("epoch") == 1
    assert events[-1] == {"event": "end", "job": plan.name, "status": "Completed", "reason": None}
    result = events[-2]["result"]
    assert result["name"] == plan.name
    assert json.loads(written(plan.directory, "output/data/history.json").read_text())[0]["epoch"] == 1


def test_a_job_that_fails_says_why_and_ends_with_one(make_plan: PlanMaker, tmp_path: Path) -> None:
    plan, events = make_plan(data=tmp_path / "nowhere"), list[Event]()
    assert run_once(Path(plan_file(plan)), False, events.append) == 1
    failure, end = events[-2:]
    assert isinstance(failure, Failure)
    assert "nowhere" in failure.reason
    assert end == End(plan.name, Outcome.FAILED, failure.reason)
    assert written(plan.directory, "output/failure").read_text().strip() == failure.reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_signals_are_heard(number: signal.Signals) -> None:
    heard: list[str] = []
    on_signals(lambda: heard.append("stop"))
    os.kill(os.getpid(), number)
    assert heard == ["stop"]


def test_a_signal_stops_it_with_a_checkpoint(make_plan: PlanMaker) -> None:
    plan = make_plan({"epochs": 10_000})
    with started(plan_file(plan)) as process:
        events = events_of(process)
        until(events, "epoch")
        process.terminate()
        end = until(events, "end")[-1]
        assert (end["status"], process.wait(120)) == ("Stopped", 0)
    written(plan.directory, "checkpoints/last.pt")


def test_as_a_script_it_logs_for_people_and_keeps_events_and_result(make_plan: PlanMaker, tmp_path: Path) -> None:
    plan, log = make_plan({"epochs": 1, "lr": 0.5}), tmp_path / "logs" / "events.jsonl"
    words = [plan_file(plan), "--events", str(log), "--resume", "--epochs", "2", "--lr", "0.01"]
    done = subprocess.run(
        [sys.executable, "-m", "tintype.training", *words], check=True, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("epoch")] == ["epoch 1/2", "epoch 2/2"]
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["event"] for event in events][-2:] == ["result", "end"]
    result = json.loads(written(plan.directory, "output/result.json").read_text())
    assert result == events[-2]["result"]
    assert result["hyperparameters"]["lr"] == 0.01


@pytest.mark.parametrize("words", [["--lr"], ["0.1"], ["--lr", "0.1", "--epochs"], ["--no-such-thing", "1"]])
def test_words_that_are_no_hyperparameters_end_with_two(make_plan: PlanMaker, words: list[str]) -> None:
    code, events, errors = finished(plan_file(make_plan()), *words)
    assert (code, events) == (2, [])
    assert "hyperparameter" in errors
