"""Posts a finding as JSON to an address, such as an incoming webhook of Slack, Mattermost or Teams."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final
from urllib.parse import urlsplit

import httpx

from tintype.errors import InvalidRequest, StorageFailed
from tintype.rules.actions.action import Action, Occasion

TIMEOUT_SECONDS = 5.0
TRIES = 3
FIRST_PAUSE_SECONDS = 0.5               # doubled after each try
LATER = frozenset({408, 425, 429, 500, 502, 503, 504})         # answers after which another try makes sense


@final
@dataclass(frozen=True)
class Webhook(Action):
    """POST with a timeout of 5 seconds, up to three times.

    The body has `text`, which chats show, besides `job`, `rule`, `details` and the whole `finding`.
    """

    url: str
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidRequest("webhook: endpoint must be an http or https address")

    @property
    def place(self) -> str:
        """Where it posts to, without the path, which is often a secret."""
        return urlsplit(self.url).hostname or ""

    def perform(self, occasion: Occasion) -> str:
        """Post. Raises `StorageFailed` saying what the last try met with."""
        body = {
            "text": occasion.sentence,
            "job": occasion.job,
            "rule": occasion.rule,
            "details": occasion.details,
            "finding": occasion.finding.to_json(),
        }
        problem = ""
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            for turn in range(TRIES):
                if turn:
                    self.sleep(FIRST_PAUSE_SECONDS * 2 ** (turn - 1))
                try:
                    answer = client.post(self.url, json=body)
                except httpx.HTTPError as error:
                    problem = type(error).__name__
                    continue
                if answer.is_success:
                    return f"posted to {self.place}"
                problem = f"status {answer.status_code}"
                if answer.status_code not in LATER:
                    break
        raise StorageFailed(f"nothing could be posted to {self.place}: {problem}")
