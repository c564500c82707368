"""What is known about requests before and after they are answered: who is let in, and what is noted of each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

from starlette.responses import Response

from tintype.errors import InvalidRequest
from tintype.serving.front.admission import Coming, Room, check_name, check_site, check_token
from tintype.serving.front.caller import Caller
from tintype.serving.front.invocation import Arrival, Model
from tintype.serving.front.refusals import CLIENT_CLOSED_REQUEST
from tintype.serving.settings import ServerSettings
from tintype.serving.watching.access_log import AccessLog
from tintype.serving.watching.metrics import Metrics

TARGET_VARIANT = "x-amzn-sagemaker-target-variant"
PATIENCE = "x-timeout-seconds"              # how long a caller waits; then 504, and the work is given up
TYPE_CHARACTERS = 100                       # of a content type, in the log


@final
@dataclass
class Noted:
    """What is known of a request when it has been answered."""

    request_id: str
    arrived: float                                  # time.monotonic()
    seconds: float = 0.0                            # until the answer was there
    body_bytes: int = 0
    error: str = ""
    variant: str = ""
    phases: dict[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False)
class Service:
    """What the routes work with. One event loop uses it."""

    model: Model
    settings: ServerSettings
    token: str | None = None
    metrics: Metrics = field(default_factory=Metrics)
    access_log: AccessLog | None = None
    coming: Coming = field(default_factory=Coming)
    is_ready: Callable[[], bool] = lambda: True

    @cached_property
    def room(self) -> Room:
        """For the bodies."""
        return Room(self.settings.bodies_limit_bytes)

    def admit(self, caller: Caller) -> float:
        """How many seconds a request has for its answer, by its head alone. What the door has seen to is not seen to
        again, but for the room of whoever is still sending: the others ask the model at once, which has its own say.

        Raises `Unauthorised` (401), 403 for a page from elsewhere, `InvalidRequest` for a patience that is no number,
        and `Busy` (429) when there would be no room for it once its body is here.
        """
        if caller.seconds is not None and caller.has_sent_all:
            return caller.seconds
        headers = caller.headers
        if caller.seconds is None:
            check_site(headers)
            if self.token is None:
                check_name(headers)
            check_token(headers.get("authorization"), self.token)
            caller.seconds = patience_of(headers.get(PATIENCE), self.settings.request_seconds)
        self.model.check_room(Arrival(caller.seconds, headers.get(TARGET_VARIANT), self.coming.count))
        return caller.seconds

    def count(self, noted: Noted, status: int) -> None:
        """Count a request and its answer."""
        self.metrics.request(status, noted.body_bytes, noted.seconds, noted.phases)

    def log(
        self, noted: Noted, response: Response, client: tuple[str, int] | None, headers: Mapping[str, str]
    ) -> None:
        """Write a request and its answer to the access log, if there is one."""
        if self.access_log is None:
            return
        status = response.status_code
        entry = {
            "at": round(time.time(), 3),
            "request_id": noted.request_id,
            "client": client[0] if client else "",
            "status": status,
            "bytes_in": noted.body_bytes,
            "bytes_out": int(response.headers.get("content-length", 0)) if status != CLIENT_CLOSED_REQUEST else 0,
            "content_type": headers.get("content-type", "")[:TYPE_CHARACTERS],
            "ms": round(noted.seconds * 1000, 2),
            **{f"{name}_ms": round(part * 1000, 2) for name, part in noted.phases.items()},
        }
        if noted.error:
            entry["error"] = noted.error
        if noted.variant:
            entry["variant"] = noted.variant
        self.access_log.write(entry)


def patience_of(header: str | None, most: float) -> float:
    """How many seconds a caller waits for the answer, at most `most`. `InvalidRequest` for what is no number."""
    if header is None:
        return most
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise InvalidRequest(f"{PATIENCE} is a number of seconds above 0, got {header[:40]!r}")
    return min(seconds, most)
