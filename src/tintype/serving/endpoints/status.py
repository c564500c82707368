"""What an endpoint's status is, from what there is to be seen of it. Pure but for `look`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from tintype.errors import NotFound
from tintype.serving.endpoints.desired import Observed
from tintype.serving.endpoints.endpoint import Endpoint, Status, Update
from tintype.serving.endpoints.process import ProcessIdentity, State, log_tail


@final
@dataclass(frozen=True)
class Sight:
    """What there is of an endpoint besides its record."""

    server_alive: bool
    owner_alive: bool               # of the process that creates or deletes it
    death: str                      # why the server is gone, when it is
    state: State | None             # what the server says of itself
    observed: Observed              # ... and of its variants
    desired: int                    # the version of what is wanted; 0: nothing yet


def look(endpoint: Endpoint) -> Sight:
    """Look at processes and files. Raises `StorageFailed` when the files are damaged."""
    state = State.read(endpoint.files.state)
    server = endpoint.server or (state.process if state else None)
    alive = server is not None and server.is_alive
    death = "" if alive or server is None else _death_of(server, state, endpoint.files.log)
    wishes = endpoint.files.wishes
    try:
        desired = wishes.desired().version
    except NotFound:
        desired = 0
    return Sight(alive, endpoint.owner.is_alive, death, state, wishes.observed(), desired)


def as_seen(endpoint: Endpoint, sight: Sight, now: float) -> Endpoint:
    """The endpoint as its record should have it; the same when nothing has changed."""
    status, reason = _status(endpoint, sight)
    state, observed = sight.state, sight.observed
    listening = status is not Status.CREATING and sight.server_alive and state is not None and bool(state.port)
    under_way = Update(observed.stage, round(observed.share, 4)) if observed.stage and sight.server_alive else None
    changes: dict[str, Any] = {"update": under_way}
    if state and listening:
        changes |= {"host": state.host, "port": state.port, "server": state.process}
    if status is Status.IN_SERVICE:                 # settled, this way or that
        gone_back = observed.rejected >= sight.desired and bool(endpoint.before)
        changes |= {"variants": endpoint.before if gone_back else endpoint.variants, "before": ()}
    if status is endpoint.status:
        return replace(endpoint, failure_reason=reason, **changes)
    return replace(endpoint.moved(status, at=now, reason=reason), **changes)


def _status(endpoint: Endpoint, sight: Sight) -> tuple[Status, str]:
    if endpoint.status is Status.FAILED:
        return endpoint.status, endpoint.failure_reason
    if endpoint.status is Status.DELETING:
        if sight.owner_alive:
            return Status.DELETING, ""
        return Status.FAILED, "the process that was deleting it is gone; delete it again"
    if not sight.server_alive:
        return _status_without_server(endpoint, sight)
    if sight.observed.version == 0 or sight.state is None or not sight.state.port:
        if endpoint.status is Status.CREATING:
            return Status.CREATING, ""
        return Status.OUT_OF_SERVICE, "it is being started again"
    if sight.observed.settled(sight.desired):
        rejected = sight.observed.rejected >= sight.desired
        return Status.IN_SERVICE, f"the last update was rolled back: {sight.observed.reason}" if rejected else ""
    back = sight.observed.stage == "RollingBack"
    return (Status.ROLLING_BACK if back else Status.UPDATING), sight.observed.reason if back else ""


def _status_without_server(endpoint: Endpoint, sight: Sight) -> tuple[Status, str]:
    if endpoint.status is Status.CREATING:
        if sight.death and sight.observed.version == 0:
            return Status.FAILED, f"it did not start: {sight.death}"
        if not sight.death:
            if sight.owner_alive:
                return Status.CREATING, ""
            return Status.FAILED, "the process that was starting it is gone; delete it again"
    rolled_back = sight.observed.rejected >= sight.desired > 0
    return (Status.UPDATE_ROLLBACK_FAILED if rolled_back else Status.OUT_OF_SERVICE), sight.death


def _death_of(server: ProcessIdentity, state: State | None, log: Path) -> str:
    """Why a server is gone, as far as can be told afterwards."""
    if state and state.failure:
        return state.failure
    if server.predates_boot:
        return "the machine was restarted"
    tail = log_tail(log)
    last = f"; it last said: {tail[-1]}" if tail else ""
    return f"its server process {server.pid} is gone{last}"
