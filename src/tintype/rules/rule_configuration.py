"""Which rules a job is judged by: `rules.json`, and SageMaker's DebugRuleConfigurations.

    [{"name": "Vanishing", "rule": "VanishingGradient", "parameters": {"threshold": "1e-6"},
      "actions": [{"name": "stoptraining"}], "profile": "right"},
     {"name": "Mine", "rule": "MyRule", "source": "my_rules.py", "parameters": {}}]

`rule`, `parameters`, `actions` and `profile` may be left out: the rule is then called as the configuration is. `source`
is a Python file (a path or a URL) with a rule written for smdebug; `rule` is its class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from tintype.errors import InvalidRequest
from tintype.rules.actions.parsing import action_entries
from tintype.rules.catalogue import find_rule, make_rule
from tintype.rules.rule import AnyRule, Profile

KEYS = ("name", "rule", "parameters", "actions", "profile", "source")
NAME_LENGTH = 256                                       # SageMaker's limit
NAME = re.compile(r"^[^\s/\\.][^/\\\x00-\x1f]*$")       # it names a folder
# Parameters of SageMaker's that are not the rule's own.
SERVICE = frozenset({"rule_to_invoke", "source_s3_uri", "action_json", "base_trial", "base_trial_s3_uri"})
OTHER_TRIAL = re.compile(r"^other_trial_\d+$")


@final
@dataclass(frozen=True)
class RuleConfiguration:
    """One rule of a job. Making one checks everything but the user's own file."""

    name: str                                           # unique within the job
    rule: str                                           # as in the catalogue, or the class in `source`
    parameters: Mapping[str, str] = field(default_factory=dict)
    actions: tuple[Mapping[str, Any], ...] = ()         # as actions/parsing.py reads them
    profile: Profile = Profile.RIGHT
    source: str = ""                                    # of a rule of the user's

    def __post_init__(self) -> None:
        if not NAME.match(self.name) or len(self.name) > NAME_LENGTH:
            raise InvalidRequest(f"a rule's name is at most {NAME_LENGTH} letters without a slash, got {self.name!r}")
        if not self.source:
            self.make()

    def make(self) -> AnyRule:
        """A new instance of a rule of the catalogue. Raises as `make_rule` does."""
        return make_rule(self.rule, self.parameters, self.profile)

    def to_json(self) -> dict[str, Any]:
        """The entry of `rules.json`."""
        return {
            "name": self.name,
            "rule": self.rule,
            "parameters": dict(self.parameters),
            "actions": [dict(action) for action in self.actions],
            "profile": self.profile.value,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, entry: Any, where: str = "rules.json") -> RuleConfiguration:
        """The inverse of `to_json`; `InvalidRequest` or `NotFound` names what is wrong."""
        if not isinstance(entry, Mapping):
            raise InvalidRequest(f"{where}: a rule is an object, got {entry!r}")
        if unknown := sorted(str(key) for key in entry if key not in KEYS):
            raise InvalidRequest(f"{where}: {unknown[0]!r} is not one of {', '.join(KEYS)}")
        name = str(entry.get("name") or entry.get("rule") or "")
        rule, source = str(entry.get("rule") or name), str(entry.get("source") or "")
        parameters, actions = entry.get("parameters") or {}, entry.get("actions") or ()
        if not isinstance(parameters, Mapping):
            raise InvalidRequest(f"{where}: parameters of {name!r} must be an object, got {parameters!r}")
        if isinstance(actions, Mapping):
            actions = (actions,)
        if isinstance(actions, str) or not all(isinstance(one, Mapping) for one in actions):
            raise InvalidRequest(f"{where}: actions of {name!r} must be a list of objects, got {actions!r}")
        return cls(
            name,
            rule if source else find_rule(rule).NAME,
            {str(key): value if isinstance(value, str) else _spelt(value) for key, value in parameters.items()},
            tuple(actions),
            _profile(entry.get("profile"), where),
            source,
        )

    @classmethod
    def from_sagemaker(cls, entry: Any, profile: Profile = Profile.RIGHT) -> RuleConfiguration:
        """An item of CreateTrainingJob's DebugRuleConfigurations. Raises as `from_json` does."""
        where = "DebugRuleConfigurations"
        if not isinstance(entry, Mapping) or not entry.get("RuleConfigurationName"):
            raise InvalidRequest(f"{where}: RuleConfigurationName is missing in {entry!r}")
        name, given = str(entry["RuleConfigurationName"]), entry.get("RuleParameters") or {}
        if not isinstance(given, Mapping):
            raise InvalidRequest(f"{where}: RuleParameters of {name!r} must be an object, got {given!r}")
        parameters = {key: value for key, value in given.items() if key not in SERVICE and not OTHER_TRIAL.match(key)}
        others = [str(given[key]) for key in sorted(given) if OTHER_TRIAL.match(key)]
        if others:
            parameters["other_trials"] = ",".join([*others, *filter(None, [parameters.get("other_trials")])])
        document = {
            "name": name,
            "rule": given.get("rule_to_invoke") or name,
            "parameters": parameters,
            "actions": action_entries(given.get("action_json")),
            "source": given.get("source_s3_uri") or "",
            "profile": profile.value,
        }
        return cls.from_json(document, where)


def parse_rules(document: Any, where: str = "rules.json") -> tuple[RuleConfiguration, ...]:
    """The configurations in the document of a `rules.json`; `InvalidRequest` when two have one name."""
    if not isinstance(document, (list, tuple)):
        raise InvalidRequest(f"{where}: it is a list of rules, got {type(document).__name__}")
    return _distinct([RuleConfiguration.from_json(entry, where) for entry in document], where)


def parse_sagemaker(
    entries: Sequence[Any] | None, profile: Profile = Profile.RIGHT
) -> tuple[RuleConfiguration, ...]:
    """The configurations of a request's DebugRuleConfigurations. Raises as `parse_rules` does."""
    found = [RuleConfiguration.from_sagemaker(entry, profile) for entry in entries or ()]
    return _distinct(found, "DebugRuleConfigurations")


def _distinct(found: Iterable[RuleConfiguration], where: str) -> tuple[RuleConfiguration, ...]:
    by_name: dict[str, RuleConfiguration] = {}
    for one in found:
        if one.name in by_name:
            raise InvalidRequest(f"{where}: two rules are named {one.name!r}; give one another name")
        by_name[one.name] = one
    return tuple(by_name.values())


def _profile(word: Any, where: str) -> Profile:
    try:
        return Profile(str(word or Profile.RIGHT).lower())
    except ValueError as error:
        raise InvalidRequest(f"{where}: profile must be {' or '.join(Profile)}, got {word!r}") from error


def _spelt(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(str(one) for one in value)
    return "" if value is None else str(value)
