"""The class that users' rules derive from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from smdebug.analysis.utils import no_refresh
from smdebug.core.logger import get_logger
from smdebug.exceptions import RuleEvaluationConditionMet
from smdebug.rules.action import Actions
from smdebug.rules.req_tensors import RequiredTensors
from smdebug.trials.trial import Trial


class Rule(ABC):
    """Derive from it, and say in `invoke_at_step` whether a step is as it should not be.

    `action_str` is SageMaker's JSON of what to do then; it is read, and carried out by whoever runs the rule of a job.
    """

    def __init__(
        self, base_trial: Trial, action_str: str | None = "", other_trials: Iterable[Trial] | None = None
    ) -> None:
        self.base_trial = base_trial
        self.other_trials = None if other_trials is None else list(other_trials)
        self.trials = [base_trial, *(self.other_trials or [])]
        self.req_tensors = RequiredTensors(base_trial, self.other_trials)
        self.logger = get_logger()
        self.rule_name = type(self).__name__
        self._actions = Actions(action_str, rule_name=self.rule_name)
        self.report: dict[str, Any] = {
            "RuleTriggered": 0, "Violations": 0, "Details": {}, "Datapoints": 0, "RuleParameters": "",
        }  # fmt: skip

    def set_required_tensors(self, step: int) -> None:      # noqa: B027  (there is nothing to say for most)
        """Say with `self.req_tensors.add` what the rule needs at a (global) step."""

    @abstractmethod
    def invoke_at_step(self, step: int) -> bool | None:
        """True when the condition is met at a (global) step."""

    def invoke(self, step: int) -> None:
        """Wait for a step and judge it. Raises `RuleEvaluationConditionMet` when the condition is met."""
        self.logger.debug("Invoking rule %s for step %s", self.rule_name, step)
        self.base_trial.wait_for_steps([step])
        with no_refresh(self.trials):       # the rule sees the steps that its tensors were fetched with
            self.req_tensors.clear()
            self.set_required_tensors(step)
            self.req_tensors.fetch()
            is_met = self.invoke_at_step(step)
        if is_met:
            self._actions.invoke()
            raise RuleEvaluationConditionMet(self.rule_name, step)
