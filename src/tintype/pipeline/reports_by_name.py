"""The report that a name means, written when it is not there yet."""

from __future__ import annotations

import time
from pathlib import Path

from tintype.datasets.folder import open_dataset
from tintype.debugger.tensor_log import open_log
from tintype.errors import InvalidRequest, not_found
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job
from tintype.pipeline.coordination import find_tuning
from tintype.pipeline.debug_evidence import debug_evidence
from tintype.pipeline.profiler_page import profiler_page
from tintype.pipeline.reporting import Story, write
from tintype.pipeline.training_jobs import has_plan, plan_of
from tintype.reports.debug_report import write_debug_report
from tintype.rules.catalogue import RULES
from tintype.rules.rule_output import read_states
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
            return _page_of_script(workspace, job)
        return _write(workspace, job, None, Path(job.directory) / "report.html")
    run = workspace.records.find(RUN_KIND, name)
    if run is not None:
        reason = run.document.get("failure_reason", "it is not finished")
        raise InvalidRequest(f"run {name!r} is {run.status} and has no report: {reason}")
    jobs = [job.name for job in workspace.jobs.list(limit=1000)]
    raise not_found("run or job", name, [*workspace.records.names(RUN_KIND), *jobs])


def profile_path(workspace: Workspace, name: str) -> Path | None:
    """The profiler's report of a training job, or of a tuning job's best trial; None where nothing was profiled."""
    tuning = find_tuning(workspace.records, name)
    best = tuning.best.name if tuning is not None and tuning.best is not None else name
    if not workspace.jobs.exists(best):
        return None
    page = profiler_page(workspace.jobs.get(best), time.time())
    return page.path if page else None


def _page_of_script(workspace: Workspace, job: Job) -> Path:
    """The debugger's, unless nobody watched the job and its profile is all that there is."""
    directory = JobDirectory(Path(job.directory))
    watched = any(one.rule in RULES for one in read_states(directory.rule_output))
    watched = watched or bool(open_log(directory.debug_output).names())
    page = None if watched else profiler_page(job, time.time())
    if page is not None:
        return page.path
    return debug_page(workspace, job)


def debug_page(workspace: Workspace, job: Job) -> Path:
    """What the debugger knows of a job, written anew each time, as the job may be running."""
    path = Path(job.directory) / "debugger.html"
    evidence = debug_evidence(workspace.jobs, job, time.time(), workspace.settings.max_image_pixels)
    return write_debug_report(evidence, path)


def _profile_of(job: Job, path: Path) -> tuple[str, str] | None:
    """What the profiler says of the job, and its page as seen from `path`."""
    page = profiler_page(job, time.time())
    if page is None or not page.path.is_relative_to(path.parent):
        return None if page is None else (page.verdict, "")
    return page.verdict, page.path.relative_to(path.parent).as_posix()


def _write(workspace: Workspace, job: Job, tuning: TuningState | None, path: Path) -> Path:
    if not job.result:
        reason = f": {job.failure_reason}" if job.failure_reason else ""
        yet = "" if job.status.is_finished else " yet"
        raise InvalidRequest(f"job {job.name!r} is {job.status} and has nothing to report{yet}{reason}")
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
        profile=_profile_of(job, path),
    )
    return write(story, path, max_pixels=workspace.settings.max_image_pixels)
