from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import LOSS, Log
from tintype.debugger.tensor_log import open_log
from tintype.errors import StorageFailed
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job, JobSpec, Source, Status
from tintype.jobs.store import JobStore
from tintype.records import Records
from tintype.rules.actions.action import Action, Occasion
from tintype.rules.actions.stop_training import StopTraining
from tintype.rules.evaluation import Evaluation
from tintype.rules.following import Following
from tintype.rules.job_watch import Course, JobWatch
from tintype.rules.rule_configuration import parse_rules
from tintype.rules.rule_output import RuleOutput, read_findings, read_states
from tintype.rules.rule_run import RuleRun
from tintype.rules.run_facts import RunFacts
from tintype.rules.status import RuleStatus

RULES = [
    {"name": "nan", "rule": "ExplodingTensor", "actions": [{"name": "stoptraining"}]},
    {"name": "loss", "rule": "LossNotDecreasing"},
    {"name": "images", "rule": "CheckInputImages"},
]
NAN = float("nan")


@pytest.fixture
def store() -> Iterator[JobStore]:
    records = Records.open("sqlite://")
    yield JobStore(records)
    records.close()


def following(
    job: Path, store: JobStore | None = None, *, actions: dict[str, list[Action]] | None = None, told: bool = False,
    between: Iterator[object] | None = None,
) -> Following:  # fmt: skip
    """Over the log of `job`; `between` goes on by one whenever the rules sleep."""
    clock = itertools.count(1000.0, 60.0)
    runs = [RuleRun(one.make(), one.name, RunFacts(), lambda: next(clock)) for one in parse_rules(RULES)]
    between = between or iter(())
    return Following(
        Evaluation(open_log(job / "debug-output"), runs),
        JobWatch(job, store, "job" if store else ""),
        RuleOutput(job / "rule-output"),
        actions or {},
        lambda: next(clock),
        lambda: 0.0,
        lambda _: next(between),  # type: ignore[arg-type, return-value]
        lambda: told,
    )


def statuses(job: Path) -> dict[str, RuleStatus]:
    return {state.name: state.status for state in read_states(job / "rule-output")}


def test_a_log_that_grows_is_followed_to_its_end(tmp_path: Path) -> None:
    log = Log(tmp_path / "debug-output")
    seen: list[dict[str, RuleStatus]] = []

    def training() -> Iterator[None]:
        seen.append(statuses(tmp_path))
        log.losses([2.0, 1.9])
        yield
        log.losses([NAN])
        yield
        seen.append(statuses(tmp_path))
        log.writer.end()
        yield

    assert following(tmp_path, between=training()).run() is Course.ENDED
    assert set(seen[0].values()) == {RuleStatus.IN_PROGRESS}
    assert seen[1]["nan"] is RuleStatus.ISSUES_FOUND
    assert statuses(tmp_path) == {
        "nan": RuleStatus.ISSUES_FOUND, "loss": RuleStatus.NO_ISSUES_FOUND, "images": RuleStatus.NO_ISSUES_FOUND,
    }  # fmt: skip
    states = {state.name: state for state in read_states(tmp_path / "rule-output")}
    assert not states["images"].evaluated
    assert states["nan"].last_step == 2
    (finding,) = read_findings(tmp_path / "rule-output", "nan")
    assert (finding.tensor, finding.step) == (LOSS, 2)
    assert json.loads((tmp_path / "rule-output" / "nan" / "findings.json").read_text())["tensors"] == {LOSS: 1}


def test_the_training_is_stopped_once(tmp_path: Path, store: JobStore) -> None:
    store.submit(Job("job", str(tmp_path), spec=JobSpec(Source("script", "/train.py"))))
    log = Log(tmp_path / "debug-output")
    log.losses([NAN])

    def training() -> Iterator[None]:
        assert store.get("job").status is Status.STOPPING
        store.move("job", Status.STOPPED)
        yield

    actions: dict[str, list[Action]] = {"nan": [StopTraining()]}
    assert following(tmp_path, store, actions=actions, between=training()).run() is Course.INTERRUPTED
    found = {state.name: state for state in read_states(tmp_path / "rule-output")}
    assert found["nan"].actions == ("asked the job job to stop",)
    assert found["nan"].status is RuleStatus.ISSUES_FOUND
    assert found["loss"].status is RuleStatus.STOPPED
    assert "stopped, failed, or was killed" in found["loss"].details


class Counting(Action):
    def __init__(self) -> None:
        self.count = 0

    def perform(self, occasion: Occasion) -> str:
        self.count += 1
        return f"counted {occasion.finding.tensor}"


def test_started_again_it_comes_to_the_same_and_acts_no_second_time(tmp_path: Path) -> None:
    log = Log(tmp_path / "debug-output")
    log.losses([1.0, NAN, 1.0])
    counting = Counting()
    with pytest.raises(StopIteration):          # killed while it sleeps
        following(tmp_path, actions={"nan": [counting]}).run()
    first = read_states(tmp_path / "rule-output")
    assert counting.count == 1
    log.writer.end()
    following(tmp_path, actions={"nan": [counting]}).run()
    second = read_states(tmp_path / "rule-output")
    assert counting.count == 1
    assert [(one.status, one.findings) for one in first][2:] == [(one.status, one.findings) for one in second][2:]
    assert next(one for one in second if one.name == "nan").actions == (f"counted {LOSS}",)


def test_an_action_that_fails_is_noted(tmp_path: Path) -> None:
    log = Log(tmp_path / "debug-output")
    log.losses([NAN])
    log.writer.end()
    following(tmp_path, actions={"nan": [StopTraining()]}).run()
    (actions,) = (one.actions for one in read_states(tmp_path / "rule-output") if one.name == "nan")
    assert actions == ("StopTraining failed: there is no job to stop: the log belongs to none",)


@pytest.mark.parametrize(
    ("ended", "told", "status", "course"),
    [
        (False, True, None, Course.INTERRUPTED),            # killed: no end marker
        (True, True, None, Course.ENDED),
        (True, False, Status.STOPPING, Course.INTERRUPTED),
        (False, False, Status.COMPLETED, Course.ENDED),
        (True, True, Status.FAILED, Course.INTERRUPTED),
    ],
)
def test_how_a_training_ended(
    tmp_path: Path, store: JobStore, ended: bool, told: bool, status: Status | None, course: Course
) -> None:
    log = Log(tmp_path / "debug-output")
    log.losses([1.0])
    if ended:
        log.writer.end()
    if status:
        store.submit(Job("job", str(tmp_path), spec=JobSpec(Source("script", "/train.py"))))
        store.move("job", status)
    assert following(tmp_path, store if status else None, told=told).run() is course


def test_a_failure_in_the_jobs_directory_counts(tmp_path: Path) -> None:
    log = Log(tmp_path / "debug-output")
    log.losses([1.0])
    log.writer.end()
    failure = JobDirectory(tmp_path).failure
    failure.parent.mkdir(parents=True)
    failure.write_text("out of memory")
    assert following(tmp_path).run() is Course.INTERRUPTED


def test_files_that_are_damaged_or_of_others_are_left_out(tmp_path: Path) -> None:
    for name, content in {"a": "{", "b": "[]", "c": '{"name": 1}', "ProfilerReport": '{"RuleTriggered": 0}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "status.json").write_text(content)
    assert read_states(tmp_path) == []
    assert read_findings(tmp_path, "none") == []


def test_what_is_damaged_counts_as_not_saved(tmp_path: Path) -> None:
    log = Log(tmp_path / "debug-output")
    for _ in range(4):
        log.add({"Net_fc.weight": np.full((64, 64), NAN, np.float32), LOSS: 1.0})
    log.writer.end()
    events = sorted((tmp_path / "debug-output" / "events").rglob("*.tfevents"))
    events[0].write_bytes(events[0].read_bytes()[:40])
    events[1].unlink()
    following(tmp_path).run()
    assert RuleStatus.ERROR not in statuses(tmp_path).values()
    (finding,) = read_findings(tmp_path / "rule-output", "nan")
    assert finding.step == 2


def test_a_disk_that_refuses_is_said_and_not_swallowed(tmp_path: Path) -> None:
    Log(tmp_path / "debug-output").writer.end()
    (tmp_path / "rule-output").write_text("in the way")
    with pytest.raises(StorageFailed, match="rule-output"):
        following(tmp_path).run()
