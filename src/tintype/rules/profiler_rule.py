"""What a profiler rule is: something that looks at the whole profile of a job and says what is wrong with its speed.

A rule is one file: a frozen `Parameters` dataclass with SageMaker's names and defaults, and a final dataclass that
derives from `ProfilerRule`. Its docstring is its page in `docs/profiler.md`. Add one line to `profiler_catalogue.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, final

from tintype.debugger.modes import Mode
from tintype.profiler.readers import JobProfile
from tintype.rules.finding import Finding, Json, Remedy
from tintype.rules.parameters import Parameters, describe, parameter
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

SCAN_MICROSECONDS = 60_000_000          # SageMaker's scan_interval_us: a rule looks at a minute at a time
NO_GPU = "no GPU: there are no readings of one"
NO_SYSTEM = "no system metrics were recorded"
NO_STEPS = "no steps were recorded"


@final
@dataclass(frozen=True)
class Judgement:
    """What a rule says of a profile, in the terms of SageMaker's file of that rule."""

    rule: str
    parameters: str                     # RuleParameters: "threshold:50\ncpu_threshold:90..."
    details: Mapping[str, Any] = field(default_factory=dict)        # as SageMaker's file has them
    datapoints: int = 0
    triggered: int = 0                  # RuleTriggered
    violations: int = 0
    findings: tuple[Finding, ...] = ()
    missing: str = ""                   # what the profile lacks for a judgement, in words; "" when it could be made
    crashed: bool = False               # the rule has a fault of its own, which `missing` tells

    @property
    def status(self) -> RuleStatus:
        """IssuesFound, NoIssuesFound or Error; `missing` tells whether the second means anything."""
        if self.crashed:
            return RuleStatus.ERROR
        return RuleStatus.ISSUES_FOUND if self.triggered else RuleStatus.NO_ISSUES_FOUND

    def to_sagemaker(self) -> Json:
        """The document of `<RuleName>.json`."""
        return {
            "RuleTriggered": self.triggered,
            "Violations": self.violations,
            "Details": dict(self.details),
            "Datapoints": self.datapoints,
            "RuleParameters": self.parameters,
        }


P = TypeVar("P", bound=Parameters)


class ProfilerRule(ABC, Generic[P]):
    """Judges the profile of one job, at any time of it. Subclasses are dataclasses with the two fields below."""

    NAME: ClassVar[str]                                 # SageMaker's name, where it has such a rule
    PARAMETERS: ClassVar[type[Parameters]]
    IS_SAGEMAKERS: ClassVar[bool] = True                # False: SageMaker has no such rule
    ADVICE: ClassVar[str]                               # what to do in general, for the table of all rules

    parameters: P
    profile: Profile

    @abstractmethod
    def judge(self, job: JobProfile) -> Judgement:
        """What is wrong in `job` so far. Looks at evidence only: no clock, no file is written."""

    def spelt_parameters(self) -> str:
        """SageMaker's RuleParameters: a line for each, in the order that its readers count on."""
        names = [one.name for one in describe(self.PARAMETERS) if one.name != "scan_interval_us"]
        return "\n".join(f"{name}:{spelt(getattr(self.parameters, name))}" for name in names)

    def judged(self, **parts: Any) -> Judgement:
        """A `Judgement` of this rule. `parts` are its other fields."""
        return Judgement(rule=self.NAME, parameters=self.spelt_parameters(), **parts)

    def finding(self, message: str, measured: float, threshold: float, cause: str, remedy: Remedy) -> Finding:
        """A finding of the whole job."""
        return Finding(self.NAME, 0, Mode.GLOBAL, 0, "", float(measured), float(threshold), message, cause, remedy)


def spelt(value: Any) -> str:
    """A parameter as SageMaker spells it: 70, 0.2, None."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def scan_parameter() -> Any:
    """The field `scan_interval_us`, which every one of SageMaker's profiler rules has."""
    meaning = "microseconds of the profile that the profile sagemaker looks at in one go"
    return parameter(SCAN_MICROSECONDS, meaning, low=1)
