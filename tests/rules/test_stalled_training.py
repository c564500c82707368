from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.rules.logs import LOSS, Log
from tintype.rules.catalogue import find_rule, make_rule
from tintype.rules.evaluation import Evaluation
from tintype.rules.rule_run import RuleRun
from tintype.rules.run_facts import RunFacts
from tintype.rules.stalled_training import StalledTraining
from tintype.rules.status import RuleStatus


def saved_at(folder: Path, times: list[float]) -> Log:
    clock: Iterator[float] = iter(times)
    log = Log(folder, clock=lambda: next(clock))
    log.losses([1.0] * len(times))
    return log


def test_sagemakers_name_is_understood() -> None:
    assert find_rule("StalledTrainingRule") is StalledTraining


def test_fires_for_a_standstill_between_two_steps(tmp_path: Path) -> None:
    run = saved_at(tmp_path, [100.0, 101.0, 130.0, 131.0]).judge("StalledTraining", threshold="20")
    assert run.state.findings == 1
    assert run.findings[0].measured == 29
    assert run.findings[0].step == 1


def test_short_waits_pass(tmp_path: Path) -> None:
    run = saved_at(tmp_path, [100.0, 101.0, 130.0]).judge("StalledTraining")
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


def test_fires_while_nothing_comes_and_once(tmp_path: Path) -> None:
    log, now = saved_at(tmp_path, [100.0, 101.0]), [101.0]
    run = RuleRun(make_rule("StalledTraining", {"threshold": "10"}), "it", RunFacts(), lambda: now[0])
    evaluation = Evaluation(log.read(end=False), [run])
    for time in (101.0, 105.0, 112.0, 200.0):
        now[0] = time
        evaluation.advance()
    assert run.state.findings == 1
    assert run.findings[0].measured == 11
    log.writer._clock = lambda: 201.0
    log.add({LOSS: 1.0})
    evaluation.advance()
    assert run.state.findings == 1              # the standstill that ends here has been told


def test_a_training_that_never_begins(tmp_path: Path) -> None:
    now = [0.0]
    run = RuleRun(make_rule("StalledTraining", {"threshold": "10"}), "it", RunFacts(), lambda: now[0])
    evaluation = Evaluation(Log(tmp_path).read(end=False), [run])
    evaluation.advance()
    now[0] = 11.0
    evaluation.advance()
    assert run.state.status is RuleStatus.ISSUES_FOUND


def test_an_empty_log_was_not_judged(tmp_path: Path) -> None:
    assert not Log(tmp_path).judge("StalledTraining").state.evaluated
