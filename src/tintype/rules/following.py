"""Follows a job's log to its end: judges what is new, writes it down, acts, and sleeps in proportion to its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from tintype.errors import TintypeError
from tintype.rules.actions.action import Action, Occasion
from tintype.rules.evaluation import Evaluation
from tintype.rules.job_watch import Course, JobWatch
from tintype.rules.rule_output import RuleOutput, read_states
from tintype.rules.rule_run import RuleRun
from tintype.rules.status import RuleStatus

SHARE = 0.04                            # of a core that the rules take while the training goes on
LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.5, 20.0
INTERRUPTED = "the training ended before the rule did: it was stopped, failed, or was killed"


@final
@dataclass
class Following:
    """One process for all rules of a job. Started again over the same log it comes to the same, and acts only once.

    `processor_seconds` gives the processor time that this process has used; `pause` sleeps for at most the seconds
    given and is cut short when the training is said to be over, which `told` then says.
    """

    evaluation: Evaluation
    watch: JobWatch
    output: RuleOutput
    actions: Mapping[str, Sequence[Action]]                     # by the name of a rule's configuration
    clock: Callable[[], float]
    processor_seconds: Callable[[], float]
    pause: Callable[[float], None]
    told: Callable[[], bool]
    _acted: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def run(self) -> Course:
        """Follow to the end; returns what end it was."""
        self._acted = {state.name: state.actions for state in read_states(self.output.folder) if state.actions}
        while True:
            before = self.processor_seconds()
            told = self.told()
            self.evaluation.log.refresh()
            course = self.watch.course(self.evaluation.log, told=told)
            if course is Course.GOES_ON:
                self.evaluation.advance()
            elif course is Course.ENDED:
                self.evaluation.conclude()
            else:
                self.evaluation.stop(INTERRUPTED)
            self._report()
            if course is not Course.GOES_ON:
                return course
            used = self.processor_seconds() - before
            self.pause(min(MOST_PAUSE_SECONDS, max(LEAST_PAUSE_SECONDS, used / SHARE)))

    def _report(self) -> None:
        for run in self.evaluation.runs:
            if run.state.status is RuleStatus.ISSUES_FOUND and not run.state.actions:
                # The status is out before anything is done about it, and once more after.
                self.output.write(run, self.clock())
                done = self._acted.get(run.name) or tuple(self._act(run, one) for one in self.actions.get(run.name, ()))
                run.acted(done)
            self.output.write(run, self.clock())

    def _act(self, run: RuleRun, action: Action) -> str:
        occasion = Occasion(self.watch.name, run.name, run.state.details, run.findings[0], self.watch.request_stop)
        try:
            return action.perform(occasion)
        except TintypeError as error:
            return f"{type(action).__name__} failed: {error}"
