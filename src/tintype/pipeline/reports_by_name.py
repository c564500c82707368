"""The report that a name means, written when it is not there yet."""

from __future__ import annotations

import time
from pathlib import Path

from tintype.datasets.folder import open_dataset
from tintype.errors import InvalidRequest, not_found
from tintype.jobs.job import Job
from tintype.pipeline.coordination import find_tuning
from tintype.pipeline.debug_evidence import debug_evidence
from tintype.pipeline.reporting import Story, write
from tintype.pipeline.training_jobs import has_plan, plan_of
from tintype.reports.debug_report import write_debug_report
from tintype.training.plan import parse_plan
from tintype.tuning.state import TuningState
from tintype.workspace import RUN_KIND, Workspace


def report_path(workspace: Workspace, name: str) -> Path:
    """The report of a run; of a tuning job, about its best trial; or of a training job. `NotFound` lists near names."""
    path = workspace.run_directory(name) / "report.html"
    if path.exists():
        return path
    tuning = find_tuning(workspace.records, name)
    if tuning is not None and tuning.best is not None:
        return _write(workspace, workspace.jobs.get(tuning.best.name), tuning, path)
    if workspace.jobs.exists(name):
        job = workspace.jobs.get(name)
        if job.spec is not None and not has_plan(job):
            return debug_page(workspace, job)
        return _write(workspace, job, None, Path(job.directory) / "report.html")
    run = workspace.records.find(RUN_KIND, name)
    if run is not None:
        reason = run.document.get("failure_reason", "it is not finished")
        raise InvalidRequest(f"run {name!r} is {run.status} and has no report: {reason}")
    jobs = [job.name for job in workspace.jobs.list(limit=1000)]
    raise not_found("run or job", name, [*workspace.records.names(RUN_KIND), *jobs])


def debug_page(workspace: Workspace, job: Job) -> Path:
    """What the debugger knows of a job, written anew each time, as the job may be running."""
    path = Path(job.directory) / "debugger.html"
    return write_debug_report(debug_evidence(workspace.jobs, job, time.time()), path)


def _write(workspace: Workspace, job: Job, tuning: TuningState | None, path: Path) -> Path:
    if not job.result:
        raise InvalidRequest(f"job {job.name!r} is {job.status} and has nothing to report yet: {job.failure_reason}")
    data = parse_plan(plan_of(job)).data
    dataset = open_dataset(
        data.location,
        workdir=workspace.data,
        seed=data.split_seed,
        valid_fraction=data.valid_fraction,
        test_fraction=data.test_fraction,
    )
    story = Story(
        name=tuning.name if tuning else job.name,
        made_at=time.time(),
        seconds=tuning.seconds if tuning else job.ended_at - job.started_at,
        location=data.location,
        command=f"tintype report {tuning.name if tuning else job.name}",
        dataset=dataset,
        job=job,
        tuning=tuning,
        phases=job.result["phases"],
    )
    return write(story, path, max_pixels=workspace.settings.max_image_pixels)
