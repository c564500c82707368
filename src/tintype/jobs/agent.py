"""The agent of a home: starts jobs when there is room for them, and sees to it that no record says what is not so.

Started by the first client (see __main__.py), one at a time. All that it knows is in the records and in the processes
that are there; it compares the two whenever it is told of a change, and every second.
When it is killed, the jobs go on, and the next agent finds them. It ends when no client and no unfinished job is left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import final

from tintype.errors import Conflict, InvalidRequest, NotFound, StorageFailed
from tintype.jobs import processes, reconciliation, reserve, shared_inputs
from tintype.jobs.agent_log import murmur
from tintype.jobs.assignment import Assignment
from tintype.jobs.event_loop import EventLoop
from tintype.jobs.instances import Machine
from tintype.jobs.job import Job, Status
from tintype.jobs.pace import Pace
from tintype.jobs.reconciliation import Need, need_of
from tintype.jobs.rendezvous import CHANGED, HEARD, WARM, Rendezvous
from tintype.jobs.slots import Place, gpus_for, next_to_start
from tintype.jobs.specification import JobSpec
from tintype.jobs.starting import Starting
from tintype.jobs.store import JobStore
from tintype.records import Lease, LeaseWatch, Owner, Records
from tintype.settings import Settings

FIRST_CLIENT_SECONDS = 10.0     # that whoever started us has to connect
PATIENCE = 4                    # leases long is somebody waited for who is silent, but neither dead nor frozen
MOST_STARTS = 5                 # of supervisors that end without having taken their job


@final
class Agent:
    """Runs until there is nothing to do, see `run`."""

    def __init__(self, home: Path, store: JobStore, pace: Pace, starting: Starting, loop: EventLoop) -> None:
        self._home = home
        self._store = store
        self._pace = pace
        self._starting = starting
        self._loop = loop
        self._machine = Machine.here()
        self._me = Owner.of()
        self._watch = LeaseWatch(pace.lease, self._me)
        self._patient_watch = LeaseWatch(pace.lease * PATIENCE, self._me)
        self._clients: dict[int, socket.socket] = {}
        self._watched: dict[str, int] = {}          # job -> the pidfd of its supervisor
        self._told: set[str] = set()                # jobs whose supervisor knows that it is to stop
        self._idle = False
        self._has_met = False                       # a client
        starting.on_started = self._watch_process
        starting.on_lost = self._reconcile

    def run(self, listening: socket.socket) -> None:
        """Serve clients and jobs until neither is left."""
        self._loop.watch(listening.fileno(), lambda: self._welcome(listening))
        self._reconcile()
        lonely_at = self._loop.timer() + FIRST_CLIENT_SECONDS
        self._loop.run_until(
            lambda: self._idle and not self._clients and (self._has_met or self._loop.timer() > lonely_at)
        )

    # clients

    def _welcome(self, listening: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            client, _ = listening.accept()
            self._has_met = True
            client.setblocking(False)
            self._clients[client.fileno()] = client
            self._loop.watch(client.fileno(), lambda: self._listen_to(client))

    def _listen_to(self, client: socket.socket) -> None:
        try:
            said = client.recv(4096)
        except ConnectionError:
            said = b""
        if not said:
            self._loop.forget(client.fileno())
            del self._clients[client.fileno()]
            client.close()
        if WARM in said:
            self._starting.warm_up()
        self._reconcile()
        if said:
            with contextlib.suppress(OSError):
                client.send(HEARD)

    def _tell(self) -> None:
        for client in self._clients.values():
            with contextlib.suppress(OSError):      # its buffer is full of the same news, or it is leaving
                client.send(CHANGED)

    # jobs

    def _reconcile(self) -> None:
        self._loop.set_alarm("tick", self._pace.tick, self._reconcile)
        try:
            holders = self._store.holders()         # read first: who holds a job lets go of it after its end
            jobs = self._store.unfinished()
            self._idle = not jobs and not holders
            self._tidy(holders, {job.name for job in jobs})
            self._see_to(jobs, holders)
        except StorageFailed as error:
            self._idle = False                      # the records say nothing; look again
            reserve.give_up(self._home)             # the disk may be full, and there may be an end to be recorded
            murmur(f"agent: {error}")

    def _see_to(self, jobs: list[Job], holders: dict[str, Lease]) -> None:
        queue: list[Job] = []
        running: list[Job] = []
        for job in jobs:
            lease = holders.get(job.name)
            is_lost = lease is not None and self._is_lost(lease)
            is_starting = self._starting.is_on_its_way(job.name)
            match need_of(job, is_held=lease is not None, is_lost=is_lost, is_starting=is_starting):
                case Need.RECOVER:
                    self._recover(job, lease)
                case Need.CANCEL:
                    self._change(job, lambda one: reconciliation.cancelled(one, at=time.time()))
                case Need.START:
                    queue.append(job)
                case Need.NOTHING:
                    running.append(job)
                    self._look_after(job, lease)
        self._start_some(queue, running)

    def _tidy(self, holders: dict[str, Lease], unfinished: set[str]) -> None:
        """Take their leases from those who recorded a job's end and were killed before they let go of it."""
        for name, lease in holders.items():
            if name not in unfinished and self._is_lost(lease):
                self._watch.forget(lease)
                self._patient_watch.forget(lease)
                self._store.release(lease)

    def _is_lost(self, lease: Lease) -> bool:
        """Whoever holds it is dead, frozen, or silent for long: it may wait for a store that another has locked."""
        silent, long_silent = self._watch.is_lost(lease), self._patient_watch.is_lost(lease)
        is_here = Owner.of(lease.owner.pid) == lease.owner
        return long_silent or (silent and (not is_here or processes.is_stopped(lease.owner.pid)))

    def _look_after(self, job: Job, lease: Lease | None) -> None:
        if lease is None:
            return
        self._starting.ended(job.name)
        self._watch_process(job.name, lease.owner.pid)
        if job.status is Status.STOPPING and job.name not in self._told:
            self._told.add(job.name)
            processes.send(lease.owner.pid, signal.SIGTERM)

    def _watch_process(self, name: str, pid: int) -> None:
        if name in self._watched:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:                  # it has ended already
            self._starting.ended(name)
            self._loop.set_alarm("again", 0.0, self._reconcile)
            return
        self._watched[name] = descriptor
        self._loop.watch(descriptor, lambda: self._ended(name))

    def _ended(self, name: str) -> None:
        descriptor = self._watched.pop(name)
        self._loop.forget(descriptor)
        os.close(descriptor)
        self._told.discard(name)
        self._starting.ended(name)
        self._reconcile()
        self._tell()

    def _start_some(self, queue: list[Job], running: list[Job]) -> None:
        places = {job.name: place for job in (*queue, *running) if (place := self._place(job)) is not None}
        waiting = [places[job.name] for job in queue if job.name in places]
        chosen = next_to_start(waiting, _of(running, places), self._machine)
        gpus = gpus_for(chosen, (job.gpus for job in running), self._machine)
        for job in queue:
            if job.name in gpus:
                self._start(job, gpus[job.name])
            elif job.name in places:
                self._change(job, lambda one: reconciliation.waiting(one, at=time.time()))

    def _start(self, job: Job, gpus: tuple[int, ...]) -> None:
        if self._starting.tries(job.name, job.attempt) >= MOST_STARTS:
            self._fail(job, reconciliation.NO_START)
            return
        spec = _spec(job)
        reserve.keep(self._home)
        assignment = Assignment(job.name, str(self._home), self._pace, spec.resources.instance_count, gpus)
        self._starting.start(assignment, job.attempt, warm=spec.warm)

    def _place(self, job: Job) -> Place | None:
        try:
            return Place.of(job.name, job.parent, _spec(job).resources, self._machine)
        except InvalidRequest as error:             # the machine was larger when it was submitted
            self._fail(job, str(error))
            return None

    def _recover(self, job: Job, lost: Lease | None) -> None:
        """Take the job from whoever is gone, so that nothing of that can write or run any more; then record it."""
        reason = reconciliation.KILLED
        if lost is not None and Owner.of(lost.owner.pid) == lost.owner:
            reason = reconciliation.SILENT
            # First of all, as it may have been frozen with the store locked.
            processes.send(lost.owner.pid, signal.SIGKILL)
        try:
            lease = self._store.take(job.name, self._me, over=lost)
        except Conflict:
            return                                  # it gave a sign of life just now
        if lost is not None:
            self._watch.forget(lost)
            self._patient_watch.forget(lost)
        processes.kill_marked([processes.mark_of(self._home, job.name, job.attempt)])
        with contextlib.suppress(Conflict, NotFound):       # it was deleted meanwhile
            self._store.change(job.name, lambda one: reconciliation.recovered(one, reason, at=time.time()), lease)
        self._store.release(lease)
        self._loop.set_alarm("again", 0.0, self._reconcile)
        self._tell()

    def _fail(self, job: Job, reason: str) -> None:
        self._change(job, lambda one: one.moved(Status.FAILED, at=time.time(), reason=reason))

    def _change(self, job: Job, change: Callable[[Job], Job]) -> None:
        if change(job) != job:
            with contextlib.suppress(Conflict, NotFound):   # somebody else changed it, or deleted it
                self._store.change(job.name, change)
            self._tell()


def _spec(job: Job) -> JobSpec:
    if job.spec is None:
        raise InvalidRequest(f"job {job.name!r} was not made for the engine")
    return job.spec


def _of(jobs: list[Job], places: dict[str, Place]) -> list[Place]:
    return [places[job.name] for job in jobs if job.name in places]


def serve(meeting: Rendezvous, pace: Pace, starting: Starting, loop: EventLoop, listening: socket.socket) -> None:
    """Be the agent until there is nothing to do."""
    loop.on_signals({signal.SIGCHLD: processes.bury})
    settings = Settings.from_environment(os.environ, meeting.home)
    store = JobStore(Records.open(settings.records_url))
    Agent(meeting.home, store, pace, starting, loop).run(listening)
    shared_inputs.forget(meeting.home)          # there is no tuning job any more: its coordinator would be a client
    store.disconnect()
