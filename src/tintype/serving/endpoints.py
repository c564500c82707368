"""The endpoints of a workspace: created, found, deleted. Their state is in `tintype.records`, true whenever it is read.

Several processes may work on the same endpoints. A name belongs to whoever made the record first; a deletion wins over
a start that is under way; what a killed process or a restarted machine left behind reads as Failed, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import final

from tintype.errors import Conflict, JobFailed, NotFound
from tintype.jobs.names import checked
from tintype.records import Json, Record, Records
from tintype.serving.deployment import Deployment, launch, processes_of, remove_files
from tintype.serving.endpoint import Endpoint, Status, Variant
from tintype.serving.process import ProcessIdentity, State, abort, log_tail, stop, wait_until_ready
from tintype.serving.settings import check_exposure

KIND = "endpoint"
KILL_AFTER_SECONDS = 5.0                # beyond the time that the server allows itself for draining
ONLY_VARIANT = "AllTraffic"             # SageMaker's name for it


@final
class Endpoints:
    """All endpoints of a record store."""

    def __init__(self, records: Records, clock: Callable[[], float] = time.time) -> None:
        self._records = records
        self._clock = clock

    def start(self, wanted: Deployment, timeout_seconds: float = 60.0) -> Endpoint:
        """Start a server and return the endpoint once it answers.

        Raises `Conflict` when the name is taken or the endpoint is deleted meanwhile; `JobFailed` with the last log
        lines when the server does not come up, and the endpoint stays, Failed, for its log to be read. After any
        other error (no such archive, a bad one, Ctrl-C) nothing is left.
        """
        checked("endpoint", wanted.name)
        check_exposure(wanted.host, wanted.token)
        endpoint = self._reserve(wanted)
        process: subprocess.Popen[bytes] | None = None
        try:
            process = launch(wanted, endpoint.files)
            server = ProcessIdentity.of(process.pid)
            self._change(endpoint, lambda found: replace(found, server=server))
            state = wait_until_ready(process, endpoint.files.state, endpoint.files.log, timeout_seconds)
            return self._change(endpoint, lambda found: self._in_service(found, state))
        except BaseException as error:
            if process is not None:
                abort(process)
            self._give_up(endpoint, error)
            raise

    def get(self, name: str) -> Endpoint:
        """The endpoint as it is now. `NotFound` lists near names."""
        return self._truthful(self._records.get(KIND, name))

    def list(self) -> list[Endpoint]:
        """All endpoints, newest first."""
        return [self._truthful(record) for record in self._records.list(KIND)]

    def delete(self, name: str) -> bool:
        """Stop the server and remove the endpoint with its files; False when there is none of that name.

        Requests that are being answered may end within the server's `drain_seconds`. Works on an endpoint in any state,
        half-started, failed or half-deleted, as often as one likes. Afterwards there is no process and no open port.
        """
        try:
            endpoint = self._begin_deletion(name)
        except NotFound:
            return False
        for process in processes_of(endpoint):
            stop(process, endpoint.drain_seconds + KILL_AFTER_SECONDS)
        remove_files(endpoint.files)
        with contextlib.suppress(NotFound):         # somebody else deleted it at the same time
            self._records.delete(KIND, name)
        return True

    def _reserve(self, wanted: Deployment) -> Endpoint:
        now = self._clock()
        endpoint = Endpoint(
            name=wanted.name,
            directory=str(wanted.directory.absolute() / f"server-{int(now * 1000):x}-{os.getpid():x}"),
            variants=(Variant(ONLY_VARIANT, str(wanted.archive)),),
            owner=ProcessIdentity.own(),
            host=wanted.host,
            drain_seconds=wanted.server.drain_seconds,
            created_at=now,
            changed_at=now,
        )
        try:
            self._records.create(KIND, endpoint.name, endpoint.to_json(), status=endpoint.status)
        except Conflict as error:
            hint = f"delete it first (tintype endpoints delete {endpoint.name}), or choose another name"
            raise Conflict(f"there already is an endpoint named {endpoint.name!r}; {hint}") from error
        return endpoint

    def _in_service(self, endpoint: Endpoint, state: State) -> Endpoint:
        moved = endpoint.moved(Status.IN_SERVICE, at=self._clock())
        return replace(moved, server=state.process, host=state.host, port=state.port)

    def _give_up(self, endpoint: Endpoint, error: BaseException) -> None:
        """After a failed start: Failed, with its log, when the server is to blame; else nothing is left."""
        blamed = isinstance(error, JobFailed)
        try:
            if blamed:
                self._change(endpoint, lambda found: self._failed(found, str(error)))
                return
            self._change(endpoint, lambda found: found.moved(Status.DELETING, at=self._clock()))
            self._records.delete(KIND, endpoint.name)
        except (Conflict, NotFound) as gone:        # whoever deleted it could not see all of our files
            remove_files(endpoint.files)
            if blamed:                              # the server ended because it was told to
                raise Conflict(f"endpoint {endpoint.name!r} was deleted while it was starting") from gone
        remove_files(endpoint.files)

    def _failed(self, endpoint: Endpoint, reason: str) -> Endpoint:
        if endpoint.status is Status.DELETING:
            raise Conflict(f"endpoint {endpoint.name!r} is being deleted")
        return endpoint.moved(Status.FAILED, at=self._clock(), reason=reason)

    def _begin_deletion(self, name: str) -> Endpoint:
        def apply(record: Record) -> tuple[Json, str]:
            found = Endpoint.from_json(record.document)
            leaving = replace(found.moved(Status.DELETING, at=self._clock()), owner=ProcessIdentity.own())
            return leaving.to_json(), leaving.status

        return Endpoint.from_json(self._records.update(KIND, name, apply).document)

    def _change(self, endpoint: Endpoint, change: Callable[[Endpoint], Endpoint]) -> Endpoint:
        """Apply `change` to this endpoint, and to no later one of the same name."""

        def apply(record: Record) -> tuple[Json, str]:
            found = Endpoint.from_json(record.document)
            if found.directory != endpoint.directory:
                raise Conflict(f"endpoint {endpoint.name!r} was deleted meanwhile, and made anew by somebody else")
            changed = change(found)
            return changed.to_json(), changed.status

        try:
            return Endpoint.from_json(self._records.update(KIND, endpoint.name, apply).document)
        except NotFound as error:
            raise Conflict(f"endpoint {endpoint.name!r} was deleted meanwhile") from error

    def _truthful(self, record: Record) -> Endpoint:
        endpoint = Endpoint.from_json(record.document)
        reason = what_is_wrong(endpoint)
        if reason is None:
            return endpoint
        try:
            return self._change(endpoint, lambda found: found.moved(Status.FAILED, at=self._clock(), reason=reason))
        except Conflict:                            # it changed just now; the next look will tell
            return endpoint


def what_is_wrong(endpoint: Endpoint) -> str | None:
    """Why an endpoint is not what its record says, from the processes that there are; None when all is well."""
    match endpoint.status:
        case Status.IN_SERVICE:
            if endpoint.server and not endpoint.server.is_alive:
                return death_of(endpoint.server, endpoint.files.log)
        case Status.CREATING | Status.DELETING:
            if not endpoint.owner.is_alive:
                doing = "starting" if endpoint.status is Status.CREATING else "deleting"
                return f"the process that was {doing} it is gone; delete it again"
        case Status.FAILED:
            pass
    return None


def death_of(server: ProcessIdentity, log: Path) -> str:
    """Why a server is gone, as far as can be told afterwards."""
    if server.predates_boot:
        return "the machine was restarted; delete the endpoint and deploy again"
    tail = log_tail(log)
    last = f"; it last said: {tail[-1]}" if tail else ""
    return f"its server process {server.pid} is gone{last}"
