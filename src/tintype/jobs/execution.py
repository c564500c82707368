"""Jobs run in a pool of workers, their records, logs and metrics kept true as events arrive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, final

from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job, Status
from tintype.jobs.store import JobStore
from tintype.jobs.workers import WorkerPool
from tintype.records import Measurement
from tintype.storage import storage_errors

Json = dict[str, Any]

FLUSH_SECONDS = 0.5             # metrics reach the store at least this often
REQUESTS_SECONDS = 1.0          # how often we look whether another process asked for a stop


@dataclass
class _Running:
    log: TextIO
    result: Json = field(default_factory=dict)
    pending: list[Measurement] = field(default_factory=list)
    flushed_at: float = 0.0


@final
class Execution:
    """Submits jobs and turns what their processes say into records. One thread uses it."""

    def __init__(self, pool: WorkerPool, store: JobStore, clock: Callable[[], float] = time.time) -> None:
        self._pool = pool
        self._store = store
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self._looked_at = clock()

    @property
    def capacity(self) -> int:
        """How many jobs can run at once."""
        return self._pool.size

    def submit(self, job: Job) -> None:
        """Record the job and start it. `Conflict` when its name is taken, `Busy` when no worker is free."""
        self._store.create(job)
        self._begin(job)

    def resubmit(self, job: Job) -> None:
        """Start a job whose record was left InProgress by a process that is gone."""
        self._store.reopen(job)
        self._begin(job)

    def _begin(self, job: Job) -> None:
        directory = JobDirectory(Path(job.directory))
        try:
            directory.prepare(job.plan, job.hyperparameters)
            with storage_errors(directory.log):
                log = directory.log.open("a", encoding="utf-8", errors="replace")
        except Exception as error:
            self._store.move(job.name, Status.FAILED, reason=str(error))
            raise
        self._running[job.name] = _Running(log, flushed_at=self._clock())
        self._pool.start(job.name, job.plan)
        self._store.started(job.name)

    def stop(self, name: str) -> None:
        """Ask a running job to end; its end event says Stopped."""
        if name in self._running:
            self._store.request_stop(name)
            self._pool.stop(name)

    def events(self, timeout_seconds: float) -> Iterator[tuple[str, Json]]:
        """(job name, event) as they come, each after its effects on record, log and metrics are done."""
        self._heed_requests()
        for name, event in self._pool.events(timeout_seconds):
            running = self._running.get(name)
            if running is None:
                continue
            self._note(name, running, event)
            yield name, event

    def run(self, job: Job) -> Iterator[Json]:
        """Submit one job and yield its events until its end."""
        self.submit(job)
        while job.name in self._running:
            for name, event in self.events(0.2):
                if name == job.name:
                    yield event

    def abandon(self, reason: str) -> None:
        """Mark all that still runs as Stopped: we are leaving, and its workers with us."""
        for name, running in list(self._running.items()):
            self._flush(name, running)
            running.log.close()
            self._store.move(name, Status.STOPPED, reason=reason)
        self._running.clear()

    def _heed_requests(self) -> None:
        now = self._clock()
        if self._running and now - self._looked_at > REQUESTS_SECONDS:
            self._looked_at = now
            for job in self._store.list(status=Status.STOPPING):
                if job.name in self._running:
                    self._pool.stop(job.name)

    def _note(self, name: str, running: _Running, event: Json) -> None:
        now = self._clock()
        for line in lines_of(event):
            running.log.write(f"{_stamp(now)} {line}\n")
        if event["event"] == "epoch":
            running.pending += [
                Measurement(metric, int(event["epoch"]), float(value), now)
                for metric, value in event["metrics"].items()
                if value is not None
            ]
            running.log.flush()
        elif event["event"] == "result":
            running.result = event["result"]
        if event["event"] == "end" or now - running.flushed_at > FLUSH_SECONDS:
            self._flush(name, running)
            running.flushed_at = now
        if event["event"] == "end":
            running.log.close()
            del self._running[name]
            status = Status(event["status"])
            self._store.move(name, status, reason=event.get("reason") or "", result=running.result)

    def _flush(self, name: str, running: _Running) -> None:
        self._store.measure(name, running.pending)
        running.pending = []


def lines_of(event: Mapping[str, Any]) -> list[str]:
    """The log lines of an event: what a person reads in `tintype jobs logs`."""
    match event["event"]:
        case "log":
            return [str(event["line"])]
        case "epoch":
            metrics = "  ".join(f"{name} {value:.4g}" for name, value in event["metrics"].items() if value is not None)
            return [f"epoch {event['epoch']}/{event['epochs']}  {metrics}"]
        case "phase":
            return [f"{event['name']}: {event['seconds']:.2f} s"]
        case "note" | "warning":
            return [f"{event['event']}: {event['text']}"]
        case "end":
            reason = event.get("reason") or ""
            return [str(event["status"]) + (f": {line}" if line else "") for line in (reason.splitlines() or [""])]
        case _:
            return []


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
