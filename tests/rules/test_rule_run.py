from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

import pytest

from tests.rules.logs import LOSS, Log
from tintype.debugger.tensor_log import TensorLog
from tintype.errors import Conflict
from tintype.rules.catalogue import make_rule
from tintype.rules.evaluation import evaluate
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters
from tintype.rules.rule import Profile, Rule
from tintype.rules.rule_run import KEPT, KEPT_PER_TENSOR
from tintype.rules.run_facts import RunFacts
from tintype.rules.status import RuleState, RuleStatus
from tintype.rules.step_view import StepView


@final
@dataclass
class Verbose(Rule[Parameters]):
    """Finds something in every tensor at every step, and crashes where it is told to."""

    NAME: ClassVar[str] = "Verbose"
    PARAMETERS: ClassVar[type[Parameters]] = Parameters

    crash_at: int = -1
    tensors: int = 1
    parameters: Parameters = field(default_factory=Parameters)
    profile: Profile = Profile.RIGHT

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if step.step == self.crash_at:
            raise ZeroDivisionError("it divided")
        remedy = Remedy("halve", (Change(Knob.LEARNING_RATE, 0.5), Change(Knob.EPOCHS, 0.4), Change(Knob.DROP_RATE, 2)))
        for tensor in range(self.tensors):
            name = f"t{tensor}"
            yield Finding("Verbose", step.step, step.mode, step.mode_step, name, 1, 0, "message", "a cause", remedy)

    def missing(self) -> str:
        return ""


def losses(folder: Path, count: int) -> TensorLog:
    log = Log(folder)
    for step in range(count):
        log.add({LOSS: 1.0, "optimizer/lr/SGD_0": 0.1 / (step + 1)})
    return log.read()


def test_a_crashed_rule_is_an_error_and_the_others_go_on(tmp_path: Path) -> None:
    rules = {"bad": Verbose(crash_at=0), "good": make_rule("ExplodingTensor")}
    bad, good = evaluate(losses(tmp_path, 3), rules)
    assert bad.state.status is RuleStatus.ERROR
    assert bad.state.details == "the rule Verbose crashed at step 0: ZeroDivisionError: it divided"
    assert "ZeroDivisionError" in bad.trace
    assert not bad.state.evaluated
    assert good.state.status is RuleStatus.NO_ISSUES_FOUND


def test_an_issue_stays_one_when_the_rule_crashes_later(tmp_path: Path) -> None:
    (run,) = evaluate(losses(tmp_path, 3), {"it": Verbose(crash_at=1)})
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert run.trace


def test_findings_are_counted_in_full_and_kept_in_part(tmp_path: Path) -> None:
    (run,) = evaluate(losses(tmp_path, 50), {"it": Verbose(tensors=60)})
    assert run.state.findings == 3000
    assert len(run.findings) == KEPT
    assert sum(one.tensor == "t0" for one in run.findings) <= KEPT_PER_TENSOR
    assert run.by_tensor["t59"] == 50


def test_findings_are_put_in_the_terms_of_the_run(tmp_path: Path) -> None:
    facts = RunFacts({"Learning-Rate": "0.1", "epochs": "10", "batch_size": "32"})
    (run,) = evaluate(losses(tmp_path, 3), {"it": Verbose()}, facts)
    last = run.findings[-1]
    assert last.cause == "a cause (this run: learning rate 0.0333 at step 2, batch size 32)"
    assert last.remedy is not None
    assert last.remedy.hyperparameters == {"Learning-Rate": "0.05", "epochs": "4"}      # it has no dropout


def test_the_jobs_own_trainer_understands_more(tmp_path: Path) -> None:
    (run,) = evaluate(losses(tmp_path, 1), {"it": Verbose()}, RunFacts({}, {Knob.LEARNING_RATE: "lr"}))
    remedy = run.findings[0].remedy
    assert remedy is not None
    assert remedy.hyperparameters == {"lr": "0.05"}             # half of what the log holds


def test_sagemakers_profile_ends_at_the_first_finding(tmp_path: Path) -> None:
    (run,) = evaluate(losses(tmp_path, 9), {"it": Verbose(profile=Profile.SAGEMAKER, crash_at=1)})
    assert (run.state.findings, run.state.status) == (1, RuleStatus.ISSUES_FOUND)


def test_a_final_status_does_not_change() -> None:
    state = RuleState("it", "Verbose").moved(RuleStatus.STOPPED, at=3.0, details="x" * 2000)
    assert len(state.details) == 1024
    with pytest.raises(Conflict, match="is Stopped; it cannot become InProgress"):
        state.moved(RuleStatus.IN_PROGRESS, at=4.0)
    assert RuleState.from_json(state.to_json()) == state
    assert state.to_sagemaker()["RuleEvaluationStatus"] == "Stopped"


def test_a_finding_survives_json(tmp_path: Path) -> None:
    (run,) = evaluate(losses(tmp_path, 1), {"it": Verbose()})
    assert Finding.from_json(run.findings[0].to_json()) == run.findings[0]
