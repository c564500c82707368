"""A job of the engine, waited for, while a watcher is told what happens in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol, final

from tintype.errors import JobFailed
from tintype.jobs.client import Engine
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job, JobSpec, Phase, Status
from tintype.jobs.tail import Tail
from tintype.pipeline.watching import Watcher, pass_on
from tintype.workspace import Workspace

POLL_SECONDS = 0.1
QUEUED = "waiting until there is room for it; `tintype jobs list --status InProgress` shows what runs"


class Listener(Protocol):
    """Told what is new in a job's files."""

    def hear(self) -> None:
        """Pass on what came since the last call."""
        ...


@final
class Events:
    """What the built-in trainer tells programs, passed on to a watcher."""

    def __init__(self, job: Job, watcher: Watcher) -> None:
        self._job, self._watcher = job.name, watcher
        self._tail = Tail(JobDirectory(Path(job.directory)).events)

    def hear(self) -> None:
        """Pass on what came since the last call."""
        for line in self._tail.lines():
            pass_on(self._watcher, self._job, json.loads(line))


@final
class Lines:
    """What a person's own script prints, passed on without the times that the log has."""

    def __init__(self, job: Job, watcher: Watcher) -> None:
        self._watcher = watcher
        self._tail = Tail(JobDirectory(Path(job.directory)).log)

    def hear(self) -> None:
        """Pass on what came since the last call."""
        for line in self._tail.lines():
            self._watcher.line(line.partition(" ")[2])


def listener_to(job: Job, watcher: Watcher) -> Listener:
    """The listener for what the job runs."""
    is_ours = job.spec is not None and job.spec.source.kind == "module"
    return Events(job, watcher) if is_ours else Lines(job, watcher)


def run_job(workspace: Workspace, engine: Engine, spec: JobSpec, name: str, watcher: Watcher) -> Job:
    """Submit a job and wait for it, see `wait_for`. Raises what `Engine.submit` raises as well."""
    return wait_for(workspace, engine, engine.submit(spec, name).name, watcher)


def wait_for(workspace: Workspace, engine: Engine, name: str, watcher: Watcher) -> Job:
    """The job when it has ended. `JobFailed` carries the reason and the last log lines.

    Ctrl-C asks it to stop; when this process is ended otherwise, it goes on.
    """
    job = workspace.jobs.get(name)
    listener = listener_to(job, watcher)
    queued = False
    try:
        while not job.status.is_finished:
            engine.pause(POLL_SECONDS)
            job = workspace.jobs.get(name)      # before listening, so that nothing is lost
            listener.hear()
            if job.phase is Phase.PENDING and not queued:
                queued = True
                watcher.note(f"{name} is {QUEUED}")
    except KeyboardInterrupt as interrupt:
        if type(interrupt) is KeyboardInterrupt:
            engine.stop(name)
            watcher.warning(f"asked {name} to stop; `tintype jobs wait {name}` waits for it")
        raise
    if job.status is Status.FAILED:
        raise failure_of(job)
    return job


def failure_of(job: Job) -> JobFailed:
    """The error that a failed job is."""
    tail = JobDirectory(Path(job.directory)).log_tail()
    return JobFailed(f"training job {job.name} failed: {job.failure_reason} (more: tintype jobs logs {job.name})", tail)
