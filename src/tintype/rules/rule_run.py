"""One rule at work on one log: what it found so far, and what is said of it. A rule that crashes has not passed."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, final

from tintype.rules.finding import Finding
from tintype.rules.rule import AnyRule, Profile
from tintype.rules.run_facts import RunFacts
from tintype.rules.status import RuleState, RuleStatus, condition_met
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

KEPT = 100                              # findings of a rule; the rest are counted
KEPT_PER_TENSOR = 3


@final
@dataclass
class RuleRun:
    """A configured rule over one log. `state` and `findings` are what it has to say; `trace` is of a crash."""

    rule: AnyRule
    name: str
    facts: RunFacts
    clock: Callable[[], float]          # seconds since the epoch
    state: RuleState = field(init=False)
    findings: list[Finding] = field(default_factory=list)
    by_tensor: Counter[str] = field(default_factory=Counter)
    trace: str = ""
    _over: bool = False

    def __post_init__(self) -> None:
        self.state = RuleState(self.name, self.rule.title, modified_at=self.clock())

    @property
    def is_over(self) -> bool:
        """It has crashed, or its profile stops at the first issue as SageMaker's rules do."""
        return self._over

    def feed(self, log: TensorLog, step: StepView) -> None:
        """Judge one step."""
        self._judge(log, step.step, lambda: self.rule.check(log, step))
        self.state = replace(self.state, last_step=step.step)

    def idle(self, log: TensorLog) -> None:
        """Nothing new has come."""
        self._judge(log, self.state.last_step or 0, lambda: self.rule.idle(log, self.clock()))

    def conclude(self, log: TensorLog) -> None:
        """The training has ended well."""
        self._judge(log, self.state.last_step or 0, lambda: self.rule.conclude(log))
        if self.state.status is RuleStatus.IN_PROGRESS:
            details = "" if self.state.evaluated else f"nothing could be judged: {self.rule.missing()}"
            self._move(RuleStatus.NO_ISSUES_FOUND, details)
        self._over = True

    def stop(self, reason: str) -> None:
        """The training has ended otherwise."""
        if self.state.status is RuleStatus.IN_PROGRESS:
            self._move(RuleStatus.STOPPED, reason)
        self._over = True

    def _judge(self, log: TensorLog, at: int, look: Callable[[], Iterable[Finding]]) -> None:
        if self._over:
            return
        try:
            for finding in look():
                self._take(finding, log)
                if self.rule.profile is Profile.SAGEMAKER:
                    self._over = True
                    break
            self.state = replace(self.state, evaluated=bool(self.state.findings) or not self.rule.missing())
        except Exception as error:      # whatever a rule does, the others and the training go on
            self.trace = traceback.format_exc()
            self._over = True
            said = f"{type(error).__name__}: {error}"
            if self.state.status is RuleStatus.IN_PROGRESS:
                self._move(RuleStatus.ERROR, f"the rule {self.rule.title} crashed at step {at}: {said}")

    def _take(self, finding: Finding, log: TensorLog) -> None:
        count = self.state.findings + 1
        first = finding.step if self.state.first_step is None else self.state.first_step
        self.state = replace(self.state, findings=count, first_step=first, evaluated=True)
        self.by_tensor[finding.tensor] += 1
        if len(self.findings) < KEPT and self.by_tensor[finding.tensor] <= KEPT_PER_TENSOR:
            self.findings.append(self.facts.explained(finding, log))
        if self.state.status is RuleStatus.IN_PROGRESS:
            self._move(RuleStatus.ISSUES_FOUND, condition_met(self.rule.title, finding.step))

    def _move(self, status: RuleStatus, details: str) -> None:
        self.state = self.state.moved(status, at=self.clock(), details=details)
