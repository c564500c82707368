"""`python -m tintype.rules` as a job starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.rules.logs import Log
from tintype.rules.rule_output import read_states
from tintype.rules.status import RuleState, RuleStatus

PATIENCE_SECONDS = 120.0


def prepare(job: Path, rules: object) -> Log:
    (job / "input" / "config").mkdir(parents=True)
    (job / "input" / "config" / "rules.json").write_text(json.dumps(rules))
    (job / "input" / "config" / "hyperparameters.json").write_text(json.dumps({"lr": "0.1"}))
    return Log(job / "debug-output")


def start(job: Path, *words: str) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "tintype.rules", "--job-directory", str(job), *words)
    environment = {"PATH": os.environ["PATH"], "HOME": str(job)}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=Path.cwd())


def states(job: Path) -> dict[str, RuleState]:
    return {state.name: state for state in read_states(job / "rule-output")}


def test_a_finished_log(tmp_path: Path) -> None:
    log = prepare(tmp_path, [{"name": "ExplodingTensor"}, {"name": "Overfit", "profile": "sagemaker"}])
    log.losses([1.0, float("nan")])
    log.writer.end()
    process = start(tmp_path)
    assert process.communicate(timeout=PATIENCE_SECONDS)[1] == ""
    assert process.returncode == 0
    found = states(tmp_path)
    assert found["ExplodingTensor"].status is RuleStatus.ISSUES_FOUND
    assert found["Overfit"].status is RuleStatus.NO_ISSUES_FOUND


def test_told_that_the_training_was_killed(tmp_path: Path) -> None:
    log = prepare(tmp_path, [{"name": "ExplodingTensor"}])
    log.losses([1.0])
    process = start(tmp_path)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "ExplodingTensor" not in states(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    log.losses([1.0])                               # what is left is still judged
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_SECONDS)
    found = states(tmp_path)["ExplodingTensor"]
    assert (found.status, found.last_step, process.returncode) == (RuleStatus.STOPPED, 1, 0)


@pytest.mark.parametrize(
    ("rules", "said"), [([{"name": "Overfitt"}], "did you mean 'Overfit'"), ({"name": "Overfit"}, "it is a list of")]
)
def test_bad_rules_are_refused_in_one_line(tmp_path: Path, rules: object, said: str) -> None:
    prepare(tmp_path, rules)
    process = start(tmp_path)
    error = process.communicate(timeout=PATIENCE_SECONDS)[1]
    assert process.returncode == 2
    assert said in error
    assert error.count("\n") == 1


def test_it_is_light(tmp_path: Path) -> None:
    heavy = ("torch", "pandas", "PIL")
    code = f"import sys, tintype.rules.__main__; print([one for one in {heavy} if one in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
