"""The trials of a tuning job, each a training job with its own record, directory and log."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import final

from tintype.jobs.execution import Execution
from tintype.jobs.job import Status
from tintype.pipeline.training_jobs import job_of
from tintype.pipeline.watching import Watcher, pass_on
from tintype.training.hyperparameters import plan_from
from tintype.training.plan import TrainingPlan
from tintype.tuning.runner import Ended, Reported, TrialEvent
from tintype.tuning.trial import Trial, TrialStatus
from tintype.workspace import Workspace

LEAVING = "the tuning job was left before this trial ended"


@final
class JobTrials:
    """A `TrialRunner` over `jobs.Execution`: trials share `base`, and train in warm processes."""

    def __init__(
        self, workspace: Workspace, execution: Execution, base: TrainingPlan, tuning_job: str, watcher: Watcher
    ) -> None:
        self._workspace = workspace
        self._execution = execution
        self._base = base
        self._tuning_job = tuning_job
        self._watcher = watcher
        self._told_before: list[TrialEvent] = []    # of jobs that ended while nobody wrote it down

    @property
    def capacity(self) -> int:
        """How many trials can train at once."""
        return self._execution.capacity

    def start(self, trial: Trial) -> None:
        """Submit the trial's job; the job of an attempt that was cut off is started over under its name."""
        own = {
            "name": trial.name,
            "directory": self._workspace.job_directory(trial.name),
            # A trial keeps what its model needs beyond the starting weights; an archive is packed when asked for.
            "save": "best",
        }
        plan = plan_from(trial.hyperparameters, self._base.model_copy(update=own))
        job = job_of(plan, trial.hyperparameters, parent=self._tuning_job)
        if trial.attempt == 1 or not self._workspace.jobs.exists(job.name):
            self._execution.submit(job)
        elif self._workspace.jobs.get(job.name).status is Status.COMPLETED:
            self._told_before += self._history_of(job.name)
        else:
            self._execution.resubmit(job)

    def events(self, timeout_seconds: float) -> Iterator[TrialEvent]:
        """Epochs as reports, ends as ends."""
        told, self._told_before = self._told_before, []
        yield from told
        for name, event in self._execution.events(timeout_seconds):
            pass_on(self._watcher, name, event)
            if event["event"] == "epoch":
                metrics = {key: float("nan") if value is None else value for key, value in event["metrics"].items()}
                yield Reported(name, int(event["epoch"]), metrics)
            elif event["event"] == "end":
                result = self._workspace.jobs.get(name).result
                yield Ended(name, TrialStatus(event["status"]), event.get("reason") or "", result)

    def _history_of(self, name: str) -> Iterator[TrialEvent]:
        """What a job told that had completed when its coordinator died, before the trial was written down."""
        for step, measured in groupby(self._workspace.jobs.measurements(name), key=lambda one: one.step):
            yield Reported(name, step, {one.name: one.value for one in measured})
        yield Ended(name, TrialStatus.COMPLETED, result=self._workspace.jobs.get(name).result)

    def stop(self, trial_name: str) -> None:
        """Ask the trial's process to end it after the step that it is in."""
        self._execution.stop(trial_name)

    def close(self) -> None:
        """Mark what still runs as stopped; the pool's owner ends the processes."""
        self._execution.abandon(LEAVING)
