"""All rules of a job over its tensor log, step by step, as the steps arrive."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from tintype.debugger.samples import TRAINING
from tintype.rules.membership import Membership
from tintype.rules.rule import AnyRule
from tintype.rules.rule_run import RuleRun
from tintype.rules.run_facts import RunFacts
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog


@final
@dataclass
class Evaluation:
    """The rules of one log. `advance` may be called as often as one likes; each step is judged once."""

    log: TensorLog
    runs: Sequence[RuleRun]
    _seen: int = -1                     # newest global step that was judged
    _membership: Membership = field(default_factory=Membership)

    def advance(self) -> int:
        """Judge the steps that are new, in order; returns how many there were."""
        self.log.refresh()
        new = [step for step in self.log.steps() if step > self._seen]
        for step in new:
            view = StepView.at(self.log, step, self._membership)
            if view.names(f"^{TRAINING}$"):
                for run in self.runs:
                    run.begin_anew(self.log)
            for run in self.runs:
                run.feed(self.log, view)
            self._seen = step
        if not new:
            for run in self.runs:
                run.idle(self.log)
        return len(new)

    def conclude(self) -> None:
        """The training has ended well: judge what is left of the log, and the whole."""
        self.advance()
        for run in self.runs:
            run.conclude(self.log)

    def stop(self, reason: str) -> None:
        """The training has ended otherwise: judge what is left of the log."""
        self.advance()
        for run in self.runs:
            run.stop(reason)


def evaluate(
    log: TensorLog,
    rules: Mapping[str, AnyRule],
    facts: RunFacts | None = None,
    clock: Callable[[], float] = time.time,
) -> list[RuleRun]:
    """Judge a finished log by `rules` (name → new instance); each run holds its state and its findings."""
    runs = [RuleRun(rule, name, facts or RunFacts(), clock) for name, rule in rules.items()]
    Evaluation(log, runs).conclude()
    return runs
