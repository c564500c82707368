"""The engine as the rest of Tintype uses it: jobs are submitted, waited for, followed and stopped.

An agent (see agent.py) does the work in processes of its own, and is started when there is none. A client may end at
any time, by a kill too: its jobs go on.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, final

from tintype.errors import Busy, InvalidRequest, StorageFailed
from tintype.jobs import launch, processes
from tintype.jobs.directory import JobDirectory
from tintype.jobs.instances import Machine
from tintype.jobs.job import Job, JobSpec
from tintype.jobs.metric_scraper import MetricScraper
from tintype.jobs.names import checked
from tintype.jobs.pace import Pace
from tintype.jobs.rendezvous import CHANGED, HEARD, WARM, Rendezvous
from tintype.jobs.store import JobStore
from tintype.jobs.tail import Tail
from tintype.settings import Settings

PRELOAD = "torch,torchvision,timm"
LOOK_SECONDS = 0.25             # a waiting client looks at the record at least this often
START_SECONDS = 60.0            # for an agent to be there
FOLLOW_SECONDS = 0.1
RETRY_SECONDS = 0.05
CHUNK_BYTES = 1 << 20

OnLine = Callable[[str], None]


@final
class Engine:
    """A connection to the engine of a home. One thread uses it; close it when done (it is a context manager)."""

    def __init__(
        self, settings: Settings, store: JobStore, *, pace: Pace | None = None, preload: str = PRELOAD
    ) -> None:
        if settings.records_url in ("sqlite://", "sqlite:///:memory:"):
            raise InvalidRequest("the engine needs a record store that other processes can open, not one in memory")
        self._settings = settings
        self._store = store
        self._pace = pace or Pace()
        self._preload = preload
        self._meeting = Rendezvous(settings.home)
        self._agent: socket.socket | None = None
        self._has_news = False
        self._is_warm = False               # warm jobs will come, or have

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave. The agent leaves too when it has no other client and no job."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    def warm_up(self) -> None:
        """Have the fork server loaded by the time that it is needed, about three seconds from now."""
        self._is_warm = True
        self._tell(WARM)

    def submit(self, spec: JobSpec, name: str, parent: str = "", directory: Path | None = None) -> Job:
        """Have a job done, as soon as there is room for it. Returns its record.

        `directory` is where its files will be, `<home>/jobs/<name>` by default. Raises `Conflict` when the name is
        taken, `InvalidRequest` (or `NotFound`) for what can be seen to be wrong now, naming the field.
        """
        job = self.enter(spec, name, parent, directory)
        self._is_warm |= spec.warm
        self._tell(CHANGED)
        return job

    def enter(self, spec: JobSpec, name: str, parent: str = "", directory: Path | None = None) -> Job:
        """`submit`, for those who cannot wait: the job is in the records, and `settle` has the engine see it."""
        checked("job", name)
        launch.check(spec, Machine.here())
        MetricScraper(spec.metric_definitions)
        if spec.max_runtime_seconds <= 0 or spec.retries < 0:
            raise InvalidRequest("max_runtime_seconds must be over 0, and retries 0 or more")
        where = directory or self._settings.home / "jobs" / name
        hyperparameters = dict(spec.hyperparameters)
        return self._store.submit(Job(name, str(where), hyperparameters=hyperparameters, parent=parent, spec=spec))

    def settle(self) -> None:
        """Make sure that no record says what is not so: a job that somebody looked after who was killed, or before the
        machine was restarted, has then ended, or goes on. Costs nothing where all jobs have ended."""
        if self._store.unfinished():
            self._tell(CHANGED)

    def wait(self, name: str, on_line: OnLine | None = None, timeout: float | None = None) -> Job:
        """Wait for the end of a job and return it; `on_line` is told the lines of its log as they come.

        Raises `Busy` when it has not ended after `timeout` seconds, `NotFound` when there is no such job.
        """
        until = None if timeout is None else time.monotonic() + timeout
        job = self._store.get(name)
        log = Tail(JobDirectory(Path(job.directory)).log)
        while True:
            if on_line is not None:
                for line in log.lines():
                    on_line(line)
            if job.status.is_finished:
                return job
            if until is not None and time.monotonic() >= until:
                raise Busy(f"job {name!r} is still {job.status} after {timeout:g} seconds")
            self.pause(LOOK_SECONDS if on_line is None else FOLLOW_SECONDS)
            job = self._store.get(name)

    def follow(self, name: str) -> Iterator[str]:
        """The lines of a job's log, those that are there and those to come, until the job has ended."""
        job = self._store.get(name)
        log = Tail(JobDirectory(Path(job.directory)).log)
        while not job.status.is_finished:
            yield from log.lines()
            self.pause(FOLLOW_SECONDS)
            job = self._store.get(name)
        yield from log.lines()

    def stop(self, name: str) -> Job:
        """Ask a job to stop: SIGTERM now, SIGKILL after the grace. `Conflict` when it has ended."""
        job = self._store.request_stop(name)
        self._tell(CHANGED)
        return job

    def pause(self, seconds: float) -> None:
        """Wait until some job has started or ended, but no longer than this."""
        if self._has_news:
            self._has_news = False
            return
        agent = self._connected()
        readable, _, _ = select.select([agent], [], [], seconds)
        if readable:
            with contextlib.suppress(ConnectionError):
                if agent.recv(CHUNK_BYTES):
                    return
            self.close()                    # it was killed; the next call starts another

    def _tell(self, news: bytes) -> None:
        """Have the agent hear it. When it is killed meanwhile, another reads what is in the records."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            agent = self._connected()
            agent.settimeout(START_SECONDS)
            with contextlib.suppress(ConnectionError, TimeoutError):
                agent.sendall(news)
                while said := agent.recv(CHUNK_BYTES):
                    self._has_news |= CHANGED in said
                    if HEARD in said:
                        return
            self.close()
        raise StorageFailed(f"the engine does not answer; {self._meeting.log} may say why")

    def _connected(self) -> socket.socket:
        if self._agent is None:
            self._agent = self._meeting.connect() or self._start_agent()
        return self._agent

    def _start_agent(self) -> socket.socket:
        command = [sys.executable, "-m", "tintype.jobs", str(self._settings.home), self._pace.to_text(), self._preload]
        environment = {name: value for name, value in os.environ.items() if name != processes.MARK}
        if self._settings.database_url:
            environment["TINTYPE_DATABASE_URL"] = self._settings.database_url
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with self._meeting.open_log() as log:
                # It returns when the agent, a child of it, takes clients; or at once when there is another agent.
                subprocess.run(
                    [*command, WARM.decode() if self._is_warm else ""],
                    env=environment,
                    cwd=self._settings.home,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    check=False,
                )
            if connection := self._meeting.connect():
                return connection
            time.sleep(RETRY_SECONDS)       # another agent is just beginning, or leaving
        raise StorageFailed(f"the engine could not be started; {self._meeting.log} says why")
