from __future__ import annotations

import pytest

from tintype.pipeline.job_summary import described_rule, judged, verdict
from tintype.rules.status import RuleState, RuleStatus


@pytest.mark.parametrize(
    ("status", "evaluated", "details", "says"),
    [
        (RuleStatus.NO_ISSUES_FOUND, True, "", "NoIssuesFound"),
        (RuleStatus.NO_ISSUES_FOUND, False, "nothing to judge", "no data: nothing to judge"),
        (RuleStatus.ISSUES_FOUND, True, "at step 3", "IssuesFound: at step 3"),
        (RuleStatus.ERROR, False, "", "Error"),
    ],
)  # fmt: skip
def test_nothing_to_judge_is_not_read_as_no_issue(
    status: RuleStatus, evaluated: bool, details: str, says: str
) -> None:
    state = RuleState("overfit", "Overfit", status, details, modified_at=0.0, evaluated=evaluated)
    assert verdict(described_rule(state)) == says


def test_figures_of_a_training_that_diverged() -> None:
    assert judged({"accuracy": 0.5, "loss": 0.25}) == "accuracy 50.0%, loss 0.2500"
    assert judged({"accuracy": 0.5, "loss": None}) == "accuracy 50.0%, loss not a number"
