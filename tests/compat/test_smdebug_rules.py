"""Rules of users' own, as they are written for smdebug."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from smdebug import modes
from smdebug.exceptions import NoMoreData, RuleEvaluationConditionMet, TensorUnavailable
from smdebug.rules import Rule, invoke_rule
from smdebug.rules.action import Action, Actions
from smdebug.trials import Trial, create_trial

from tintype.debugger.collection import BUILT_IN
from tintype.debugger.log_writer import TensorLogWriter


class LossAbove(Rule):
    """Fires when the loss is above a threshold; sees each step with the one before."""

    def __init__(self, base_trial: Trial, threshold: float = 5.0) -> None:
        super().__init__(base_trial, action_str="")
        self.threshold = float(threshold)
        self.seen: list[int] = []

    def set_required_tensors(self, step: int) -> None:
        self.req_tensors.add("loss_output_.*", steps=[step], should_match_regex=True)

    def invoke_at_step(self, step: int) -> bool:
        self.seen.append(step)
        return any(tensor.value(step) > self.threshold for tensor in self.req_tensors.get())


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    writer = TensorLogWriter(tmp_path)
    for step in range(0, 10, 2):
        with writer.step(step, modes.TRAIN, step) as record:
            record.add("loss_output_0", np.float32(step))
    writer.write_collections(BUILT_IN.values())
    writer.end()
    return create_trial(str(tmp_path))


def test_a_rule_sees_the_steps_that_were_saved(trial: Trial) -> None:
    rule = LossAbove(trial, threshold=100)
    with pytest.raises(NoMoreData):
        invoke_rule(rule)
    assert rule.seen == [0, 2, 4, 6, 8]


def test_the_first_condition_met_is_raised_when_asked_for(trial: Trial) -> None:
    with pytest.raises(RuleEvaluationConditionMet, match="rule LossAbove at step 6 resulted") as raised:
        invoke_rule(LossAbove(trial), raise_eval_cond=True)
    assert raised.value.step == 6
    rule = LossAbove(trial)
    invoke_rule(rule, start_step=4, end_step=9)
    assert rule.seen == [4, 6, 8]


def test_what_is_needed_must_be_there(trial: Trial) -> None:
    rule = LossAbove(trial)
    with pytest.raises(TensorUnavailable):
        rule.req_tensors.add("other", [0])
    rule.req_tensors.add("loss_output_0", [0, 2])
    assert list(rule.req_tensors.get_names()) == ["loss_output_0"]
    assert rule.req_tensors.get_tensor_steps("loss_output_0") == [0, 2]
    assert rule.report["RuleTriggered"] == 0


def test_actions_are_told_to_who_listens() -> None:
    spelt = '[{"name": "StopTraining", "training_job_prefix": "Run"}, {"name": "fax"}, {"name": "email"}]'
    actions = Actions(spelt, "R")
    heard: list[tuple[Action, str]] = []
    actions.listeners.append(lambda action, message: heard.append((action, message)))
    actions.invoke("now")
    assert heard == [(Action("R", "stoptraining", "run"), "now")]
    assert Actions("{", "R").actions == ()
