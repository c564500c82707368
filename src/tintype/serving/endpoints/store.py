"""The endpoints of a workspace: created, updated, found, brought back, deleted.

Commands say what is wanted (`desired`); the endpoint's own processes make it so; whoever looks at a record first makes
it true (`endpoint_status`). So nothing here waits unless it is asked to, and nothing is lost when whoever commanded is
killed. Several processes may work on the same endpoints: a name belongs to whoever made the record first, and a
deletion wins over everything that is under way.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import final

from tintype.errors import Conflict, JobFailed, NotFound, StorageFailed, TintypeError
from tintype.jobs.names import checked
from tintype.records import Json, Record, Records
from tintype.serving.endpoints.config import EndpointConfig
from tintype.serving.endpoints.deployment import (
    KILL_AFTER_SECONDS,
    Deployment,
    check_models,
    launch,
    located,
    place,
    processes_of,
    remove_files,
    variants_of,
)
from tintype.serving.endpoints.endpoint import DOWN, Endpoint, Status
from tintype.serving.endpoints.process import ProcessIdentity, abort, log_tail, reap, stop
from tintype.serving.endpoints.status import as_seen, look
from tintype.serving.front.listening import check_exposure, listen
from tintype.storage import lock_if_free

KIND = "endpoint"
POLL_SECONDS = 0.02
START_SECONDS = 600.0                   # a script's requirements may have to be installed first
UNSETTLED = frozenset({Status.CREATING, Status.UPDATING, Status.ROLLING_BACK})


@final
class Endpoints:
    """All endpoints of a record store."""

    def __init__(self, records: Records, clock: Callable[[], float] = time.time) -> None:
        self._records = records
        self._clock = clock

    # commands; only `start`, `wait` and `delete` wait

    def create(self, wanted: Deployment) -> Endpoint:
        """Begin to start an endpoint, and return it, Creating. `wait` tells what becomes of it.

        Raises `Conflict` when the name is taken, `NotFound`, `BadArchive`, `InvalidRequest` for what can be seen to be
        wrong, and then nothing is left of it. Whatever is found later makes the endpoint Failed, with the reason.
        """
        checked("endpoint", wanted.name)
        check_exposure(wanted.host, wanted.token)
        listen(wanted.host, wanted.port).close()        # a port that is taken is said now
        config = wanted.wanted
        check_models(config)
        endpoint = self._reserve(wanted, config)
        process: subprocess.Popen[bytes] | None = None
        try:
            place(wanted, config, endpoint.files)
            process = launch(endpoint.files)
            server = ProcessIdentity.of(process.pid)
            created = self._change(endpoint, lambda found: replace(found, server=server))
        except BaseException:
            if process is not None:
                abort(process)
            self._forget(endpoint)
            raise
        reap(process)
        return created

    def start(self, wanted: Deployment, timeout_seconds: float = START_SECONDS) -> Endpoint:
        """`create`, and wait until it answers. After Ctrl-C nothing is left.

        Raises as `create` does, and `JobFailed` with the last log lines when it does not come up; then it stays, Failed
        (or still Creating, when time is up), for its log to be read.
        """
        created = self.create(wanted)
        try:
            return self.wait(wanted.name, timeout_seconds, of=created)
        except TintypeError:
            raise
        except BaseException:
            self.delete(wanted.name)
            raise

    def wait(self, name: str, timeout_seconds: float = 60.0, of: Endpoint | None = None) -> Endpoint:
        """Wait until it is neither being created, updated nor brought back, and return it, InService.

        Raises `JobFailed` with the reason when it is anything else by then, or takes too long; `Conflict` when it was
        deleted meanwhile (and, with `of`, made anew).
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                found = self.get(name)
            except NotFound as error:
                raise Conflict(f"endpoint {name!r} was deleted meanwhile") from error
            if found.status is Status.DELETING or (of and found.directory != of.directory):
                raise Conflict(f"endpoint {name!r} was deleted meanwhile")
            if found.status is Status.IN_SERVICE:
                return found
            coming_back = found.status in DOWN and look(found).server_alive
            if found.status not in UNSETTLED and not coming_back:
                raise JobFailed(f"endpoint {name!r}: {found.failure_reason}", log_tail(found.files.log))
            if time.monotonic() > deadline:
                late = f"endpoint {name!r} is {found.status} after {timeout_seconds:g} s; see {found.files.log}"
                raise JobFailed(late, log_tail(found.files.log))
            time.sleep(POLL_SECONDS)

    def update(self, name: str, config: EndpointConfig) -> Endpoint:
        """Begin to replace what serves, by the configuration's policy, and return it, Updating.

        Raises `Conflict` unless it is InService, `NotFound`, `BadArchive`. When the new replicas do not start or do
        worse, the endpoint goes back by itself: then it is InService again, with the reason.
        """
        check_models(config)
        return self._wish(name, lambda _: config)

    def set_weights(self, name: str, weights: Mapping[str, float]) -> Endpoint:
        """Other shares of the traffic for the variants named. Raises as `update`; `InvalidRequest` for unknown ones."""
        return self._wish(name, lambda now: now.with_weights(weights))

    def scale(self, name: str, workers: Mapping[str, int]) -> Endpoint:
        """Other numbers of workers for the variants named. Raises as `set_weights` does."""
        return self._wish(name, lambda now: now.with_workers(workers))

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

    def revive(self, name: str) -> Endpoint:
        """Start the server again when it should run and does not: after a crash, a kill, a restart of the machine.

        At its old port when that is free. Returns at once; it is InService when its variants answer. Nothing happens to
        an endpoint that is not down. Two that try at once start one server.
        """
        endpoint = self.get(name)
        if endpoint.status not in DOWN or not endpoint.files.command.is_file():
            return endpoint
        with lock_if_free(endpoint.files.root / "revive.lock") as ours:
            endpoint = self.get(name)
            if not ours or endpoint.status not in DOWN or look(endpoint).server_alive:
                return endpoint
            process = launch(endpoint.files, endpoint.port, endpoint.host)
            server = ProcessIdentity.of(process.pid)
            try:
                self._change(endpoint, lambda found: replace(found, server=server))
            except BaseException:
                abort(process)
                raise
            reap(process)
        return self.get(name)

    # looking

    def get(self, name: str) -> Endpoint:
        """The endpoint as it is now; with the reason and as its record has it when its files are damaged.

        `NotFound` lists near names.
        """
        return self._truthful(self._records.get(KIND, name))

    def list(self) -> list[Endpoint]:
        """All endpoints, newest first."""
        return [self._truthful(record) for record in self._records.list(KIND)]

    def revive_all(self) -> list[Endpoint]:
        """`revive` each that is down; all of them, newest first. One that cannot be started stays as it is."""
        found = self.list()
        for endpoint in found:
            if endpoint.status in DOWN:
                with contextlib.suppress(TintypeError):
                    self.revive(endpoint.name)
        return self.list()

    def config(self, name: str) -> EndpointConfig:
        """What it serves, or is to serve once an update under way is done. `NotFound`."""
        return self.get(name).files.wishes.standing().config

    # the record

    def _reserve(self, wanted: Deployment, config: EndpointConfig) -> Endpoint:
        now = self._clock()
        endpoint = Endpoint(
            name=wanted.name,
            directory=str(wanted.directory.absolute() / f"server-{int(now * 1000):x}-{os.getpid():x}"),
            variants=variants_of(config),
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

    def _wish(self, name: str, change: Callable[[EndpointConfig], EndpointConfig]) -> Endpoint:
        endpoint = self.get(name)
        if endpoint.status is not Status.IN_SERVICE:
            raise Conflict(f"endpoint {name!r} is {endpoint.status}; it can be changed when it is InService")
        files = endpoint.files
        before = files.wishes.standing()
        wanted = change(before.config)
        files.wishes.wish(located(wanted), after=before.version)
        known = {one.name: one.archive for one in endpoint.variants}
        variants = tuple(
            replace(one, archive=known.get(one.name, one.archive)) if one.archive in _archives(before.config) else one
            for one in variants_of(wanted)
        )
        self._change(endpoint, lambda found: replace(found, variants=variants, before=found.variants))
        return self.get(name)

    def _begin_deletion(self, name: str) -> Endpoint:
        def apply(record: Record) -> tuple[Json, str]:
            found = Endpoint.from_json(record.document)
            leaving = replace(found.moved(Status.DELETING, at=self._clock()), owner=ProcessIdentity.own())
            return leaving.to_json(), leaving.status

        return Endpoint.from_json(self._records.update(KIND, name, apply).document)

    def _forget(self, endpoint: Endpoint) -> None:
        """Nothing is left of what could not be created."""
        with contextlib.suppress(Conflict, NotFound):       # it was deleted meanwhile
            self._change(endpoint, lambda found: found.moved(Status.DELETING, at=self._clock()))
            self._records.delete(KIND, endpoint.name)
        remove_files(endpoint.files)

    def _change(self, endpoint: Endpoint, change: Callable[[Endpoint], Endpoint]) -> Endpoint:
        """Apply `change` to this endpoint, and to no later one of the same name, nor to one that is being deleted."""

        def apply(record: Record) -> tuple[Json, str]:
            found = Endpoint.from_json(record.document)
            if found.directory != endpoint.directory:
                raise Conflict(f"endpoint {endpoint.name!r} was deleted meanwhile, and made anew by somebody else")
            if found.status is Status.DELETING and endpoint.status is not Status.DELETING:
                raise Conflict(f"endpoint {endpoint.name!r} is being deleted")
            changed = change(found)
            return changed.to_json(), changed.status

        try:
            return Endpoint.from_json(self._records.update(KIND, endpoint.name, apply).document)
        except NotFound as error:
            raise Conflict(f"endpoint {endpoint.name!r} was deleted meanwhile") from error

    def _truthful(self, record: Record) -> Endpoint:
        endpoint = Endpoint.from_json(record.document)
        try:
            if as_seen(endpoint, look(endpoint), self._clock()) == endpoint:
                return endpoint
            return self._change(endpoint, lambda found: as_seen(found, look(found), self._clock()))
        except StorageFailed as error:              # its files are damaged: it must not hide the others
            return replace(endpoint, failure_reason=str(error))
        except Conflict:                            # it changed just now; the next look will tell
            return endpoint


def _archives(config: EndpointConfig) -> set[str]:
    return {one.model.archive for one in (*config.variants, *config.shadows)}
