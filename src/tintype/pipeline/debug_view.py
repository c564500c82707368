"""What the debugger knows of a job: its rules with their findings, and what its tensor log holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from tintype.debugger.modes import Mode
from tintype.debugger.tensor_log import TensorLog, open_log
from tintype.errors import InvalidRequest, NotFound
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job
from tintype.rules.finding import Finding, plain
from tintype.rules.rule_output import read_findings, read_states
from tintype.rules.status import RuleState

LOSSES = "losses"                       # the collection that is shown when nobody asks for tensors
REPRESENTATIVE = ("mean", "l2", "max", "min", "std")        # of a tensor that was reduced, the first that there is


@final
@dataclass(frozen=True)
class TensorSeries:
    """One tensor in one mode: its steps and one number for each, NaN where there is none."""

    name: str
    mode: Mode
    steps: tuple[int, ...]
    what: str                           # "value" of a single number, else the reduction that stands for the tensor
    numbers: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; a number that is not finite becomes its name."""
        numbers = [plain(number) for number in self.numbers]
        return {"name": self.name, "mode": self.mode.name, "of": self.what, "steps": self.steps, "values": numbers}


@final
@dataclass(frozen=True)
class DebugView:
    """All of it, for a terminal, for JSON and for a report."""

    job: Job
    states: tuple[RuleState, ...]
    findings: dict[str, list[Finding]]  # by the name of the rule
    tensors: tuple[TensorSeries, ...]
    tensor_count: int                   # names in the log, shown or not
    problems: dict[str, str]            # a damaged file of the log -> what is wrong with it

    def to_json(self) -> dict[str, Any]:
        """The JSON of `tintype debug`."""
        return {
            "name": self.job.name,
            "status": self.job.status,
            "rules": [
                {**one.to_json(), "findings": [found.to_json() for found in self.findings[one.name]]}
                | {"count": one.findings}
                for one in self.states
            ],
            "tensors": [one.to_json() for one in self.tensors],
            "tensor_count": self.tensor_count,
            "problems": self.problems,
        }


def debug_view(job: Job, regex: str | None = None) -> DebugView:
    """What is known of a job now, while it runs too; `regex` chooses tensors, None shows the losses.

    Raises `InvalidRequest` for an expression that is none, and for a job that was not watched.
    """
    directory = JobDirectory(Path(job.directory))
    states = tuple(read_states(directory.rule_output))
    log = open_log(directory.debug_output)
    if not states and not log.names():
        hint = "give `tintype train` a --rule or a --hook, e.g. --rule VanishingGradient"
        raise InvalidRequest(f"job {job.name!r} has no rules and no tensors: {hint}")
    names = _chosen(log, regex)
    return DebugView(
        job,
        states,
        {one.name: read_findings(directory.rule_output, one.name) for one in states},
        tuple(series for name in names for mode in _modes(log) if (series := _series(log, name, mode)) is not None),
        len(log.names()),
        dict(log.problems),
    )


def _chosen(log: TensorLog, regex: str | None) -> list[str]:
    if regex is not None:
        return log.names(regex)
    try:
        return log.names(collection=LOSSES)
    except NotFound:
        return []


def _modes(log: TensorLog) -> list[Mode]:
    return log.modes() or [Mode.GLOBAL]


def _series(log: TensorLog, name: str, mode: Mode) -> TensorSeries | None:
    steps, numbers = log.series(name, mode)
    if len(steps):
        return TensorSeries(name, mode, tuple(map(int, steps)), "value", tuple(map(float, numbers)))
    stored = log.reductions(name, mode)
    for op in REPRESENTATIVE:
        if found := stored.get((op, False)) or stored.get((op, True)):
            label = op if (op, False) in stored else f"{op} of magnitudes"
            return TensorSeries(name, mode, tuple(found), label, tuple(map(float, found.values())))
    values = log.values(name, mode)
    if not values:
        return None
    means = tuple(float(np.mean(value)) if value.size else float("nan") for value in values.values())
    return TensorSeries(name, mode, tuple(values), "mean", means)
