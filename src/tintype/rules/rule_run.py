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
    findings: list[Finding] = field(default_factory=list)
    by_tensor: Counter[str] = field(default_factory=Counter)
    trace: str = ""
    _state: RuleState = field(init=False)
    _count: int = 0                     # of all findings
    _last_step: int | None = None
    _over: bool = False
    _judged_before: bool = False        # of an earlier training in the log

    def __post_init__(self) -> None:
        self._state = RuleState(self.name, self.rule.title, modified_at=self.clock())

    @property
    def state(self) -> RuleState:
        """Where it stands now."""
        return replace(self._state, findings=self._count, last_step=self._last_step, evaluated=self._evaluated)

    @property
    def is_over(self) -> bool:
        """It judges no more."""
        return self._over

    @property
    def _evaluated(self) -> bool:
        judged = self._judged_before or not self.rule.missing()
        return self._count > 0 or (self._state.status is not RuleStatus.ERROR and judged)

    def feed(self, log: TensorLog, step: StepView) -> None:
        """Judge one step."""
        if not self._over:
            self._judge(log, step.step, self.rule.check, step)
        self._last_step = step.step

    def begin_anew(self, log: TensorLog) -> None:
        """Another network is trained from here on; what was seen of the one before is judged as a whole."""
        if self._over or self.rule.profile is Profile.SAGEMAKER:
            return
        self._judge(log, self._last_step or 0, self.rule.conclude)
        self._judged_before |= not self.rule.missing()
        self.rule = self.rule.anew()

    def idle(self, log: TensorLog) -> None:
        """Nothing new has come."""
        if not self._over:
            self._judge(log, self._last_step or 0, self.rule.idle, self.clock())

    def conclude(self, log: TensorLog) -> None:
        """The training has ended well."""
        if not self._over:
            self._judge(log, self._last_step or 0, self.rule.conclude)
        if self._state.status is RuleStatus.IN_PROGRESS:
            details = "" if self._evaluated else f"nothing could be judged: {self.rule.missing()}"
            self._move(RuleStatus.NO_ISSUES_FOUND, details)
        self._over = True

    def stop(self, reason: str) -> None:
        """The training has ended otherwise."""
        if self._state.status is RuleStatus.IN_PROGRESS:
            self._move(RuleStatus.STOPPED, reason)
        self._over = True

    def acted(self, done: Iterable[str]) -> None:
        """Note what was done about it, a line each."""
        self._state = replace(self._state, actions=tuple(done))

    def _judge(self, log: TensorLog, at: int, look: Callable[..., Iterable[Finding]], *told: object) -> None:
        try:
            for finding in look(log, *told):
                self._take(finding, log)
                if self.rule.profile is Profile.SAGEMAKER:      # theirs end at the first
                    self._over = True
                    break
        except Exception as error:      # whatever a rule does, the others and the training go on
            self.trace = traceback.format_exc()
            self._over = True
            if self._state.status is RuleStatus.IN_PROGRESS:
                said = f"{type(error).__name__}: {error}"
                self._move(RuleStatus.ERROR, f"the rule {self.rule.title} crashed at step {at}: {said}")

    def _take(self, finding: Finding, log: TensorLog) -> None:
        self._count += 1
        self.by_tensor[finding.tensor] += 1
        if len(self.findings) < KEPT and self.by_tensor[finding.tensor] <= KEPT_PER_TENSOR:
            self.findings.append(self.facts.explained(finding, log))
        if self._state.status is RuleStatus.IN_PROGRESS:
            self._state = replace(self._state, first_step=finding.step)
            self._move(RuleStatus.ISSUES_FOUND, condition_met(self.rule.title, finding.step))

    def _move(self, status: RuleStatus, details: str) -> None:
        self._state = self._state.moved(status, at=self.clock(), details=details)
