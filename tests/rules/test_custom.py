from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.logs import LOSS, Log
from tintype.debugger.tensor_log import open_log
from tintype.errors import InvalidRequest, NotFound
from tintype.rules.custom import load_custom
from tintype.rules.evaluation import evaluate
from tintype.rules.rule_run import RuleRun
from tintype.rules.status import RuleStatus

RULE = f'''
from smdebug.rules.rule import Rule

class LossTooHigh(Rule):
    def __init__(self, base_trial, limit="3", **kwargs):
        super().__init__(base_trial, action_str="")
        self.limit = float(limit)

    def set_required_tensors(self, step):
        self.req_tensors.add("{LOSS}", steps=[step])

    def invoke_at_step(self, step):
        loss = self.base_trial.tensor("{LOSS}").value(step)
        return bool(1 / (loss - 7) and loss > self.limit)

class Higher(Rule):
    def __init__(self, base_trial, action_str, limit="0", other_trials=None):
        super().__init__(base_trial, action_str, other_trials=other_trials)
        self.limit = float(limit)

    def set_required_tensors(self, step):
        for trial in self.trials:
            self.req_tensors.add("{LOSS}", steps=[step], trial=trial)

    def invoke_at_step(self, step):
        mine, other = (trial.tensor("{LOSS}").value(step) for trial in self.trials)
        return mine > other + self.limit
'''


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    path = tmp_path / "my_rules.py"
    path.write_text(RULE)
    return path


def judged(folder: Path, file: Path, losses: list[float], **parameters: str) -> RuleRun:
    log = Log(folder / "log")
    log.add({"other": 1.0})                     # a step without the tensor that the rule asks for
    log.losses(losses)
    return evaluate(log.read(), {"mine": load_custom(str(file), "LossTooHigh", parameters, folder)})[0]


def test_a_users_rule_fires(tmp_path: Path, rule_file: Path) -> None:
    run = judged(tmp_path, rule_file, [1.0, 5.0], limit="4")
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert (run.findings[0].rule, run.state.rule, run.state.first_step) == ("LossTooHigh", "LossTooHigh", 2)


def test_a_users_rule_does_not_fire_or_has_no_data(tmp_path: Path, rule_file: Path) -> None:
    assert judged(tmp_path, rule_file, [1.0]).state.evaluated
    assert not judged(tmp_path / "none", rule_file, []).state.evaluated


def test_a_users_rule_over_two_runs(tmp_path: Path, rule_file: Path) -> None:
    for name, losses in {"one": [1.0, 1.0], "two": [1.0, 3.0]}.items():
        log = Log(tmp_path / name / "debug-output")
        log.losses(losses)
        log.read()
    rule = load_custom(str(rule_file), "Higher", {"other_trials": "one", "limit": "1"}, tmp_path)
    (run,) = evaluate(open_log(tmp_path / "two" / "debug-output"), {"mine": rule})
    assert (run.state.status, run.state.first_step) == (RuleStatus.ISSUES_FOUND, 1)


def test_a_users_rule_that_crashes_is_an_error(tmp_path: Path, rule_file: Path) -> None:
    run = judged(tmp_path, rule_file, [1.0, 7.0])
    assert run.state.status is RuleStatus.ERROR
    assert "my_rules.py" in run.trace


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, rule_file: Path) -> None:
    with pytest.raises(NotFound, match=r"no rule file .*nothing\.py"):
        load_custom(str(tmp_path / "nothing.py"), "X", {}, tmp_path)
    with pytest.raises(NotFound, match="did you mean 'LossTooHigh'"):
        load_custom(str(rule_file), "LossTooHi", {}, tmp_path)
    with pytest.raises(InvalidRequest, match="did you mean 'limit'"):
        load_custom(str(rule_file), "Higher", {"limits": "3"}, tmp_path)
    broken = tmp_path / "broken.py"
    broken.write_text("import nowhere_to_be_found")
    with pytest.raises(InvalidRequest, match="cannot be imported: ModuleNotFoundError"):
        load_custom(str(broken), "X", {}, tmp_path)
