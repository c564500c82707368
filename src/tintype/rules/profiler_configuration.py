"""Which profiler rules a job is judged by: `profilerrules.json`, and SageMaker's ProfilerRuleConfigurations.

    [{"name": "ProfilerReport", "rule": "ProfilerReport", "parameters": {"CPUBottleneck_cpu_threshold": "80"}},
     {"name": "Low", "rule": "LowGPUUtilization", "parameters": {"threshold_p95": "60"}, "profile": "right"},
     {"name": "Mine", "rule": "MyRule", "source": "my_rules.py", "parameters": {}}]

ProfilerReport is all rules at once, and their report. `source` is a Python file (a path, also below the job's code, or
a URL) with a rule over profiles that was written for smdebug; `rule` is its class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from tintype.errors import InvalidRequest, not_found
from tintype.rules.custom_profiler import load_custom_profiler_rule
from tintype.rules.profiler_catalogue import PROFILER_REPORT, PROFILER_RULES, make_profiler_rule, make_report_rules
from tintype.rules.profiler_rule import ProfilerRule
from tintype.rules.rule import Profile
from tintype.rules.rule_configuration import NAME, NAME_LENGTH, SERVICE

PROFILER_RULES_FILE = "profilerrules.json"      # of a job's input/config
KEYS = ("name", "rule", "parameters", "profile", "source")
WHERE = "ProfilerRuleConfigurations"


def find_profiler_rule(name: str) -> str | None:
    """A profiler rule's name as the catalogue spells it, whatever its case and underscores; None when it is none."""
    return {_plain(known): known for known in (PROFILER_REPORT, *PROFILER_RULES)}.get(_plain(name))


@final
@dataclass(frozen=True)
class ProfilerRuleConfiguration:
    """One profiler rule of a job. Making one checks everything but the user's own file."""

    name: str                                   # unique within the job; also of its folder below rule-output
    rule: str                                   # ProfilerReport, as in the catalogue, or the class in `source`
    parameters: Mapping[str, str] = field(default_factory=dict)
    profile: Profile = Profile.RIGHT
    source: str = ""                            # of a rule of the user's

    def __post_init__(self) -> None:
        if not NAME.match(self.name) or len(self.name) > NAME_LENGTH:
            raise InvalidRequest(f"a rule's name is at most {NAME_LENGTH} letters without a slash, got {self.name!r}")
        if not self.source:
            self.make()

    @property
    def is_report(self) -> bool:
        """It is all rules, and a report."""
        return self.rule == PROFILER_REPORT and not self.source

    def make(self, job: Path = Path()) -> tuple[ProfilerRule[Any], ...]:
        """The rules of it; a user's is read from the directory of the job. Raises `NotFound` or `InvalidRequest`."""
        if self.source:
            beside, scratch = job / "code" / self.source, job / "rule-output" / self.name / ".sagemaker-ignore"
            source = str(beside) if beside.is_file() else self.source
            return (load_custom_profiler_rule(source, self.rule, self.parameters, scratch),)
        if self.is_report:
            return make_report_rules(self.parameters, self.profile)
        return (make_profiler_rule(self.rule, self.parameters, self.profile),)

    def to_json(self) -> dict[str, Any]:
        """The entry of `profilerrules.json`."""
        entry = {
            "name": self.name, "rule": self.rule, "parameters": dict(self.parameters), "profile": self.profile.value,
        }  # fmt: skip
        return {**entry, "source": self.source} if self.source else entry

    @classmethod
    def from_json(cls, entry: Any, where: str = PROFILER_RULES_FILE) -> ProfilerRuleConfiguration:
        """The inverse of `to_json`; `InvalidRequest` or `NotFound` names what is wrong."""
        if not isinstance(entry, Mapping):
            raise InvalidRequest(f"{where}: a rule is an object, got {entry!r}")
        if unknown := sorted(str(key) for key in entry if key not in KEYS):
            raise InvalidRequest(f"{where}: {unknown[0]!r} is not one of {', '.join(KEYS)}")
        name = str(entry.get("name") or entry.get("rule") or "")
        source = str(entry.get("source") or "")
        rule = str(entry.get("rule") or name) if source else find_profiler_rule(str(entry.get("rule") or name))
        if rule is None:
            raise not_found("profiler rule", str(entry.get("rule") or name), (PROFILER_REPORT, *PROFILER_RULES))
        parameters = entry.get("parameters") or {}
        if not isinstance(parameters, Mapping):
            raise InvalidRequest(f"{where}: parameters of {name!r} must be an object, got {parameters!r}")
        given = {str(key): "" if value is None else str(value) for key, value in parameters.items()}
        word = str(entry.get("profile") or Profile.RIGHT.value).lower()
        if word not in {one.value for one in Profile}:
            raise InvalidRequest(f"{where}: profile must be {' or '.join(Profile)}, got {word!r}")
        return cls(name, rule, given, Profile(word), source)

    @classmethod
    def from_sagemaker(cls, entry: Any, profile: Profile = Profile.RIGHT) -> ProfilerRuleConfiguration:
        """An item of CreateTrainingJob's ProfilerRuleConfigurations. Raises as `from_json` does."""
        if not isinstance(entry, Mapping) or not entry.get("RuleConfigurationName"):
            raise InvalidRequest(f"{WHERE}: RuleConfigurationName is missing in {entry!r}")
        name, given = str(entry["RuleConfigurationName"]), entry.get("RuleParameters") or {}
        if not isinstance(given, Mapping):
            raise InvalidRequest(f"{WHERE}: RuleParameters of {name!r} must be an object, got {given!r}")
        parameters = {key: value for key, value in given.items() if key not in SERVICE}
        document = {
            "name": name,
            "rule": given.get("rule_to_invoke") or name,
            "parameters": parameters,
            "profile": profile.value,
            "source": given.get("source_s3_uri") or "",
        }
        return cls.from_json(document, WHERE)


def parse_profiler_rules(document: Any, where: str = PROFILER_RULES_FILE) -> tuple[ProfilerRuleConfiguration, ...]:
    """The configurations in the document of a `profilerrules.json`; `InvalidRequest` when two have one name."""
    if not isinstance(document, (list, tuple)):
        raise InvalidRequest(f"{where}: it is a list of rules, got {type(document).__name__}")
    return distinct([ProfilerRuleConfiguration.from_json(entry, where) for entry in document], where)


def parse_sagemaker_profiler_rules(
    entries: Sequence[Any] | None, profile: Profile = Profile.RIGHT
) -> tuple[ProfilerRuleConfiguration, ...]:
    """The configurations of a request's ProfilerRuleConfigurations. Raises as `parse_profiler_rules` does."""
    return distinct([ProfilerRuleConfiguration.from_sagemaker(entry, profile) for entry in entries or ()], WHERE)


def distinct(found: Sequence[ProfilerRuleConfiguration], where: str) -> tuple[ProfilerRuleConfiguration, ...]:
    """`found`, when no two have the same name; else `InvalidRequest`."""
    for at, one in enumerate(found):
        if any(one.name == other.name for other in found[:at]):
            raise InvalidRequest(f"{where}: two rules are named {one.name!r}; give one another name")
    return tuple(found)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
