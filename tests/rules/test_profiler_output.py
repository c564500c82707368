"""Verdicts of profiler rules as a job's status files have them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tintype.errors import InvalidRequest, NotFound
from tintype.profiler.readers import JobProfile
from tintype.rules.dataloader import Dataloader
from tintype.rules.finding import Remedy
from tintype.rules.profiler_catalogue import judge_profile, make_profiler_rule
from tintype.rules.profiler_configuration import ProfilerRuleConfiguration, parse_profiler_rules
from tintype.rules.profiler_output import begin_profiler_rule, conclude_profiler_rule, verdict
from tintype.rules.profiler_rule import Judgement
from tintype.rules.rule import Profile
from tintype.rules.rule_output import read_findings, read_states
from tintype.rules.status import RuleStatus

RULE = ProfilerRuleConfiguration("Mine", "Dataloader", {"max_threshold": "150"}, Profile.RIGHT)


def found() -> Judgement:
    rule = make_profiler_rule("Dataloader")
    finding = rule.finding("the loop waits for data", 0.5, 0.2, "one process loads", Remedy("more workers"))
    return rule.judged(triggered=1, findings=(finding,))


def test_from_the_first_look_to_the_verdict(tmp_path: Path) -> None:
    begin_profiler_rule(tmp_path, RULE, 100.0)
    (state,) = read_states(tmp_path)
    assert (state.name, state.rule, state.status) == ("Mine", "Dataloader", RuleStatus.IN_PROGRESS)
    conclude_profiler_rule(tmp_path, RULE, [found()], 200.0)
    (state,) = read_states(tmp_path)
    assert (state.status, state.findings, state.modified_at) == (RuleStatus.ISSUES_FOUND, 1, 200.0)
    assert state.details.startswith("RuleEvaluationConditionMet: Evaluation of the rule Dataloader at step 0")
    assert read_findings(tmp_path, "Mine")[0].message == "the loop waits for data"


def test_a_rule_that_crashed_is_an_error_and_one_without_data_says_so() -> None:
    rule = make_profiler_rule("Dataloader")
    crashed = rule.judged(missing="the rule crashed: ValueError()", crashed=True)
    assert verdict(RULE, [crashed], 1.0).status is RuleStatus.ERROR
    assert verdict(RULE, [found(), crashed], 1.0).status is RuleStatus.ISSUES_FOUND
    nothing = verdict(RULE, [rule.judged(missing="no steps were recorded")], 1.0)
    assert (nothing.status, nothing.evaluated) == (RuleStatus.NO_ISSUES_FOUND, False)
    assert "no steps were recorded" in nothing.details


def test_a_crash_is_one_rules_own_affair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Broken:
        def __call__(self, *_: Any) -> Judgement:
            raise ZeroDivisionError("by zero")

    monkeypatch.setattr(Dataloader, "judge", Broken())
    rules = (make_profiler_rule("Dataloader"), make_profiler_rule("StepOutlier"))
    statuses = [one.status for one in judge_profile(JobProfile(tmp_path), rules)]
    assert statuses == [RuleStatus.ERROR, RuleStatus.NO_ISSUES_FOUND]


def test_configurations_come_back_and_wrong_ones_are_named() -> None:
    assert parse_profiler_rules([RULE.to_json()]) == (RULE,)
    with pytest.raises(InvalidRequest, match="'sauce' is not one of"):
        parse_profiler_rules([{"name": "x", "sauce": 1}])
    with pytest.raises(NotFound, match="ProfilerReport"):
        parse_profiler_rules([{"name": "ProfileReport"}])
    with pytest.raises(InvalidRequest, match="profile must be"):
        parse_profiler_rules([{"name": "BatchSize", "profile": "wrong"}])
    with pytest.raises(InvalidRequest, match="a list of rules"):
        parse_profiler_rules({"name": "BatchSize"})
