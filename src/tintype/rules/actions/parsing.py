"""Actions as a configuration spells them: SageMaker's action_json, and a webhook besides.

    [{"name": "stoptraining", "training_job_prefix": "dogs"}, {"name": "email", "endpoint": "me@example.org"},
     {"name": "sms", "endpoint": "+4912345"}, {"name": "webhook", "endpoint": "https://chat.example.org/hook"}]

SageMaker evaluates this text as Python; here it is JSON and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tintype.errors import InvalidRequest, not_found
from tintype.rules.actions.action import Action
from tintype.rules.actions.email import Email, MailServer
from tintype.rules.actions.sms import Sms
from tintype.rules.actions.stop_training import StopTraining
from tintype.rules.actions.webhook import Webhook

Json = Mapping[str, Any]

# name, in lower case → the action from what stands beside the name
ACTIONS: Mapping[str, Callable[[Json, MailServer], Action]] = {
    "stoptraining": lambda given, _: StopTraining(str(given.get("training_job_prefix") or "")),
    "webhook": lambda given, _: Webhook(_endpoint(given)),
    "email": lambda given, server: Email(_endpoint(given), server),
    "sms": lambda given, _: Sms(_endpoint(given)),
}
KEYS = frozenset({"name", "training_job_prefix", "endpoint"})


def action_entries(given: Any) -> list[Any]:
    """The entries in `given`: a list, one of them, or either as text; nothing for none. Raises `InvalidRequest`."""
    document = _decoded(given) if isinstance(given, str) else given
    listed = [document] if isinstance(document, Mapping) else document or []
    if not isinstance(listed, (list, tuple)):
        raise InvalidRequest(f"actions must be a list of objects with a name, got {given!r}")
    return list(listed)


def parse_actions(given: Any, server: MailServer) -> tuple[Action, ...]:
    """The actions that `given` stands for. Raises `InvalidRequest` or `NotFound` saying what is not understood."""
    return tuple(_action(one, server) for one in action_entries(given))


def _decoded(text: str) -> Any:
    if not text.strip():
        return None
    for attempt in (text, text.replace('\\"', '"')):            # SageMaker's SDK escapes quotes once more
        try:
            document = json.loads(attempt)
        except ValueError:
            continue
        return _decoded(document) if isinstance(document, str) else document
    raise InvalidRequest(f"action_json is not JSON: {text[:200]!r}")


def _action(given: Any, server: MailServer) -> Action:
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise InvalidRequest(f"an action is an object with a name, got {given!r}")
    if unknown := sorted(str(key) for key in given if str(key).lower() not in KEYS):
        raise InvalidRequest(f"action {given['name']}: {unknown[0]!r} is not one of {', '.join(sorted(KEYS))}")
    name = given["name"].replace("_", "").lower()
    if name not in ACTIONS:
        raise not_found("action", given["name"], ACTIONS)
    return ACTIONS[name]({str(key).lower(): value for key, value in given.items()}, server)


def _endpoint(given: Json) -> str:
    endpoint = given.get("endpoint")
    if not isinstance(endpoint, str) or not endpoint.strip():
        raise InvalidRequest(f"action {given['name']}: endpoint is missing")
    return endpoint.strip()
