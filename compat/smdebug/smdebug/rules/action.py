"""What is to be done when a rule's condition is met, in SageMaker's JSON.

Here it is read and told to those who listen: whoever runs the rules of a job (Tintype's `rules.actions`) stops the
training and sends the messages, as it has what that takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from smdebug.core.logger import get_logger

NEEDED = {"stoptraining": "training_job_prefix", "sms": "endpoint", "email": "endpoint"}


@dataclass(frozen=True)
class Action:
    """One thing to do: `stoptraining` for the job with a prefix, `sms` or `email` to an endpoint."""

    rule_name: str
    name: str
    target: str


Listener = Callable[[Action, str], None]


class Actions:
    """The actions of a rule. One that is not understood is logged and left out, as in smdebug."""

    def __init__(self, actions_str: str | None, rule_name: str) -> None:
        self._logger = get_logger()
        self.actions: tuple[Action, ...] = tuple(self._read((actions_str or "").strip(), rule_name))
        self.listeners: list[Listener] = []

    def _read(self, spelt: str, rule_name: str) -> list[Action]:
        try:
            document = json.loads(spelt.lower()) if spelt else []
        except ValueError as error:
            self._logger.warning("the action %s of rule %s is not JSON: %s", spelt, rule_name, error)
            return []
        found = []
        for one in document if isinstance(document, list) else [document]:
            name = one.get("name") if isinstance(one, dict) else None
            if name not in NEEDED or NEEDED[name] not in one:
                self._logger.warning("the action %s of rule %s is not understood", one, rule_name)
                continue
            found.append(Action(rule_name, name, str(one[NEEDED[name]])))
        return found

    def invoke(self, message: str = "") -> None:
        """Tell each listener of each action."""
        for action in self.actions:
            for listener in self.listeners:
                listener(action, message)
