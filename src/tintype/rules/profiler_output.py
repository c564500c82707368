"""The verdict of a profiler rule of a job, as the debugger's rules leave theirs: see `rule_output`.

    <job>/rule-output/<name>/status.json        a RuleState
                            /findings.json
                            /profiler-output/profiler-reports/<Rule>.json       SageMaker's file of the rule
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tintype.rules.finding import Finding
from tintype.rules.profiler_configuration import ProfilerRuleConfiguration
from tintype.rules.profiler_rule import Judgement
from tintype.rules.rule_output import FINDINGS, STATUS
from tintype.rules.status import RuleState, RuleStatus, condition_met
from tintype.storage import write_json


def begin_profiler_rule(folder: Path, rule: ProfilerRuleConfiguration, now: float) -> None:
    """Say in the job's rule-output that the rule looks on. Raises `StorageFailed`."""
    state = RuleState(rule.name, rule.rule, modified_at=now)
    write_json(folder / rule.name / STATUS, state.to_json(), durable=False)


def conclude_profiler_rule(
    folder: Path, rule: ProfilerRuleConfiguration, judgements: Sequence[Judgement], now: float
) -> RuleState:
    """Write what became of it, and return that. Raises `StorageFailed`."""
    findings = [found for one in judgements for found in one.findings]
    state = verdict(rule, judgements, now)
    document = {"count": len(findings), "kept": len(findings), "tensors": {}}
    document["findings"] = [one.to_json() for one in findings]
    write_json(folder / rule.name / FINDINGS, document, durable=False)
    write_json(folder / rule.name / STATUS, state.to_json(), durable=False)
    return state


def verdict(rule: ProfilerRuleConfiguration, judgements: Sequence[Judgement], now: float) -> RuleState:
    """What all of its judgements come to. One that crashed is an error, unless another found something."""
    findings: list[Finding] = [found for one in judgements for found in one.findings]
    fired = [one for one in judgements if one.triggered]
    crashed = [one for one in judgements if one.crashed]
    missing = [one for one in judgements if one.missing]
    state = RuleState(
        rule.name, rule.rule, evaluated=len(missing) < len(judgements), findings=len(findings),
        first_step=findings[0].step if findings else None,
    )  # fmt: skip
    if fired:
        said = "; ".join(dict.fromkeys(found.message for found in findings)) or ", ".join(one.rule for one in fired)
        return state.moved(RuleStatus.ISSUES_FOUND, at=now, details=f"{condition_met(rule.rule, 0)}: {said}")
    if crashed:
        return state.moved(RuleStatus.ERROR, at=now, details=f"{crashed[0].rule}: {crashed[0].missing}")
    details = "" if state.evaluated else f"nothing could be judged: {missing[0].missing}"
    return state.moved(RuleStatus.NO_ISSUES_FOUND, at=now, details=details)
