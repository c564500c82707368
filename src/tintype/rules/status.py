"""What became of a rule, in SageMaker's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, final

from tintype.errors import Conflict

Json = dict[str, Any]
DETAILS_LENGTH = 1024                   # SageMaker's limit of StatusDetails


class RuleStatus(StrEnum):
    """SageMaker's RuleEvaluationStatus."""

    IN_PROGRESS = "InProgress"
    NO_ISSUES_FOUND = "NoIssuesFound"
    ISSUES_FOUND = "IssuesFound"
    ERROR = "Error"
    STOPPING = "Stopping"
    STOPPED = "Stopped"

    @property
    def is_final(self) -> bool:
        """Nothing changes any more."""
        return not NEXT[self]


NEXT: Mapping[RuleStatus, frozenset[RuleStatus]] = {
    RuleStatus.IN_PROGRESS: frozenset(RuleStatus) - {RuleStatus.IN_PROGRESS},
    RuleStatus.STOPPING: frozenset({RuleStatus.STOPPED, RuleStatus.ISSUES_FOUND, RuleStatus.ERROR}),
    # An issue stays one whatever comes after it; a rule that found one and then crashed has still found it.
    RuleStatus.ISSUES_FOUND: frozenset(),
    RuleStatus.NO_ISSUES_FOUND: frozenset(),
    RuleStatus.ERROR: frozenset(),
    RuleStatus.STOPPED: frozenset(),
}


@final
@dataclass(frozen=True)
class RuleState:
    """One configured rule of a job, as `status.json` holds it. Times are seconds since the epoch, UTC."""

    name: str                           # RuleConfigurationName, unique within the job
    rule: str                           # name in the catalogue, or the class of a custom rule
    status: RuleStatus = RuleStatus.IN_PROGRESS
    details: str = ""                   # StatusDetails
    modified_at: float = 0.0            # LastModifiedTime
    evaluated: bool = False             # False: the log had nothing that the rule could judge
    findings: int = 0                   # counted in full, also those that were not kept
    first_step: int | None = None       # global step of the first finding
    last_step: int | None = None        # newest global step that was looked at
    actions: tuple[str, ...] = field(default=())        # what was done about it, one line each

    def moved(self, status: RuleStatus, *, at: float, details: str = "") -> RuleState:
        """After a legal move. `Conflict` when it is none; to the same status it is a change of details."""
        if status is not self.status and status not in NEXT[self.status]:
            raise Conflict(f"rule {self.name!r} is {self.status}; it cannot become {status}")
        return replace(self, status=status, details=details[:DETAILS_LENGTH], modified_at=at)

    def to_json(self) -> Json:
        """The document of `status.json`."""
        return {**asdict(self), "status": self.status.value, "actions": list(self.actions)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RuleState:
        """The inverse of `to_json`."""
        return cls(**{**document, "status": RuleStatus(document["status"]), "actions": tuple(document["actions"])})

    def to_sagemaker(self) -> Json:
        """The item of DescribeTrainingJob's DebugRuleEvaluationStatuses (without the ARN)."""
        return {
            "RuleConfigurationName": self.name,
            "RuleEvaluationStatus": self.status.value,
            "StatusDetails": self.details,
            "LastModifiedTime": self.modified_at,
        }


def condition_met(rule: str, step: int) -> str:
    """SageMaker's StatusDetails of a rule whose condition was met."""
    return (
        f"RuleEvaluationConditionMet: Evaluation of the rule {rule} at step {step} resulted in the condition being met"
    )
