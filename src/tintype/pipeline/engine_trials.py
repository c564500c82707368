"""The trials of a tuning job as jobs of the engine, which outlive the process that asked for them.

The engine's records are all that is read: what a trial measured and how it ended, also of trials that a former
coordinator submitted. A trial that was begun before is

    there and running             followed, from its first measurement on
    there and ended by itself     told once more, as its coordinator may not have written it down
    stopped, or lost with its
    process or machine            run again from its start, under its name
    not there                     submitted: its coordinator was killed before that
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol, final

from tintype.errors import Conflict, NotFound
from tintype.jobs.job import Job, JobSpec, Phase, Status
from tintype.jobs.reconciliation import KILLED, SILENT
from tintype.jobs.store import KIND as JOB_KIND
from tintype.jobs.store import JobStore
from tintype.records import Records
from tintype.storage import storage_errors
from tintype.tuning.runner import Ended, Reported, TrialEvent
from tintype.tuning.trial import Trial, TrialStatus

SHORTEST_SECONDS = 0.2          # between two looks at what a trial measured; the engine tells of its end at once ...
LONGEST_SECONDS = 0.5
AGE_SHARE = 0.02                # ... and so much of its age, as nobody needs to know sooner

SpecOf = Callable[[Trial], JobSpec]


class TrialEngine(Protocol):
    """What we ask of the job engine; `jobs.client.Engine` is one."""

    def submit(self, spec: JobSpec, name: str, parent: str = "", directory: Path | None = None) -> Job:
        """Record a job; it runs when there is room. `InvalidRequest` when it never can, `Conflict` for its name."""
        ...

    def stop(self, name: str) -> Job:
        """Ask a job to stop. `Conflict` when it has finished."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait until some job has started or ended, but no longer than this."""
        ...


@dataclass
class _Followed:
    trial: Trial
    since: float                # when we began to follow it
    look_at: float              # when to look again
    read: int = 0               # the id of the last measurement that was told
    again: bool = False         # it is about to end only because its tuning job was stopped: then run it again


@final
class EngineTrials:
    """A `TrialRunner` over the engine. `spec_of` says what to run; `beat` is called at least twice a second."""

    def __init__(
        self,
        engine: TrialEngine,
        records: Records,
        tuning_job: str,
        spec_of: SpecOf,
        capacity: int,
        beat: Callable[[], None],
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.capacity = capacity            # the engine has a queue of its own
        self._engine = engine
        self._records = records
        self._jobs = JobStore(records)
        self._tuning_job = tuning_job
        self._spec_of = spec_of
        self._beat = beat
        self._timer = timer
        self._followed: dict[str, _Followed] = {}

    def start(self, trial: Trial) -> None:
        """Submit the trial's job, or follow the one that a former coordinator submitted."""
        found = self._records.find(JOB_KIND, trial.name) if trial.attempt > 1 else None
        if found is None:
            self._submit(trial)
            return
        job = Job.from_json(found.document)
        if is_to_be_repeated(job):
            self._run_again(trial, job)
            return
        self._follow(trial).again = job.status is Status.STOPPING

    def events(self, timeout_seconds: float) -> Iterator[TrialEvent]:
        """Measurements as reports, ends as ends; waits for the first of them."""
        until = self._timer() + timeout_seconds
        while True:
            self._beat()
            told = [event for followed in self._due() for event in self._look(followed)]
            if told or self._timer() >= until:
                yield from told
                return
            self._wait(min(self._next_look(), until))

    def stop(self, trial_name: str) -> None:
        """Ask the trial's job to stop; one that has ended or is not there is left alone."""
        with contextlib.suppress(Conflict, NotFound):
            self._engine.stop(trial_name)

    def close(self) -> None:
        """Nothing: the jobs are the engine's, and go on."""

    def _submit(self, trial: Trial) -> None:
        self._engine.submit(self._spec_of(trial), trial.name, self._tuning_job)
        self._follow(trial)

    def _follow(self, trial: Trial) -> _Followed:
        now = self._timer()
        self._followed[trial.name] = _Followed(trial, now, now)
        return self._followed[trial.name]

    def _due(self) -> list[_Followed]:
        now = self._timer()
        return [one for one in self._followed.values() if one.look_at <= now]

    def _next_look(self) -> float:
        return min((one.look_at for one in self._followed.values()), default=self._timer() + LONGEST_SECONDS)

    def _wait(self, until: float) -> None:
        seconds = until - self._timer()
        if seconds <= 0:
            return
        self._engine.pause(seconds)
        if self._timer() < until:               # it has news, perhaps of one of ours
            for followed in self._followed.values():
                followed.look_at = 0.0

    def _look(self, followed: _Followed) -> Iterator[TrialEvent]:
        name = followed.trial.name
        job = self._records.find(JOB_KIND, name)        # first: what it measured is recorded before its end is
        yield from self._reports(followed)
        if job is None:
            del self._followed[name]
            yield Ended(name, TrialStatus.FAILED, "its job was deleted")
        elif Status(job.status).is_finished:
            yield from self._ended(followed, Job.from_json(job.document))
        else:
            now = self._timer()
            followed.look_at = now + min(max(SHORTEST_SECONDS, AGE_SHARE * (now - followed.since)), LONGEST_SECONDS)

    def _reports(self, followed: _Followed) -> Iterator[TrialEvent]:
        measured = self._jobs.measurements(followed.trial.name, after=followed.read)
        for step, group in groupby(measured, key=lambda one: one.step):
            yield Reported(followed.trial.name, step, {one.name: one.value for one in group})
        followed.read = measured[-1].id if measured else followed.read

    def _ended(self, followed: _Followed, job: Job) -> Iterator[TrialEvent]:
        del self._followed[job.name]
        if followed.again and is_to_be_repeated(job):
            self._run_again(followed.trial, job)
            return
        status = TrialStatus(job.status.value)
        yield Ended(job.name, status, job.failure_reason, job.result or None, job.started_at or None)

    def _run_again(self, trial: Trial, job: Job) -> None:
        """Under the same name, without a trace of the time before."""
        with contextlib.suppress(NotFound):
            self._records.delete(JOB_KIND, trial.name, measurements=True)
        with contextlib.suppress(FileNotFoundError), storage_errors(Path(job.directory)):
            shutil.rmtree(job.directory)
        self._submit(trial)


def is_to_be_repeated(job: Job) -> bool:
    """Whether it ended for reasons that are not its own: stopped, or its process or machine was lost."""
    if job.status is Status.STOPPED:
        return job.phase is Phase.STOPPED               # and not for having taken longer than it may
    return job.status is Status.FAILED and job.failure_reason in (KILLED, SILENT)
