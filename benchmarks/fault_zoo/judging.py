"""What the rules say of trainings, and how often they are right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fault_zoo.training import Training
from tintype.debugger.tensor_log import open_log
from tintype.rules.catalogue import make_rule
from tintype.rules.evaluation import evaluate
from tintype.rules.status import RuleStatus


@dataclass(frozen=True)
class Verdict:
    """What all rules said of one training."""

    training: Training
    fired: Mapping[str, str]                # rule → the message of its first finding
    crashed: Mapping[str, str]              # rule → the error
    silent_for_lack: frozenset[str]         # rules that had no data

    @property
    def named(self) -> bool:
        """A right rule fired (of a broken training)."""
        return any(rule in self.fired for rule in self.training.rules)


def judge(training: Training, log: Path, rules: Iterable[str]) -> Verdict:
    """Evaluate rules at their default settings, but for parameters that the training gives."""
    made = {name: make_rule(name, parameters_for(training, name)) for name in rules}
    runs = evaluate(open_log(log), made)
    return Verdict(
        training,
        {run.name: run.findings[0].message for run in runs if run.findings},
        {run.name: run.trace.strip().splitlines()[-1] for run in runs if run.state.status is RuleStatus.ERROR},
        frozenset(run.name for run in runs if not run.state.evaluated),
    )


def parameters_for(training: Training, rule: str) -> dict[str, str]:
    """Those that the training gives for one rule."""
    given = ((*key.split(":"), value) for key, value in training.parameters.items())
    return {name: value for owner, name, value in given if owner == rule}


@dataclass(frozen=True)
class Score:
    """How one rule did over the zoo."""

    rule: str
    due: int                                # faults that it may name
    caught: int                             # of those
    missed: int                             # of those, named by no right rule at all
    elsewhere: int                          # other faults at which it fired: side effects, not counted as wrong
    false_alarms: int                       # healthy trainings at which it fired


def scores(verdicts: Sequence[Verdict], rules: Iterable[str]) -> list[Score]:
    """One for each rule."""
    found = []
    for rule in rules:
        due = [one for one in verdicts if rule in one.training.rules]
        fired = [one for one in verdicts if rule in one.fired]
        elsewhere = sum(one.training.broken and rule not in one.training.rules for one in fired)
        alarms = sum(not one.training.broken for one in fired)
        caught, missed = sum(rule in one.fired for one in due), sum(not one.named for one in due)
        found.append(Score(rule, len(due), caught, missed, elsewhere, alarms))
    return found


@dataclass(frozen=True)
class Totals:
    """The zoo in four numbers, and the percentages that are the goal."""

    faults: int
    named: int
    healthy: int
    alarms: int                             # findings' rules over all healthy trainings

    @property
    def named_percent(self) -> float:
        """Faults named by a right rule; the goal is at least 95."""
        return 100 * self.named / max(1, self.faults)

    @property
    def alarm_percent(self) -> float:
        """False alarms for each 100 healthy trainings, all rules together; the goal is at most 2."""
        return 100 * self.alarms / max(1, self.healthy)


def totals(verdicts: Sequence[Verdict]) -> Totals:
    """Over all trainings that were judged."""
    broken = [one for one in verdicts if one.training.broken]
    healthy = [one for one in verdicts if not one.training.broken]
    return Totals(len(broken), sum(one.named for one in broken), len(healthy), sum(len(one.fired) for one in healthy))
