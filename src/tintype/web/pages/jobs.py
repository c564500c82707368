"""The pages of training jobs: the list, one job while it runs and afterwards, its log and its reports."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from tintype.errors import NotFound
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job, Status
from tintype.pipeline.job_summary import settings_of
from tintype.pipeline.reports_by_name import debug_page, report_path
from tintype.records import Measurement
from tintype.reports.figures.over_steps import StepSeries, step_curves
from tintype.reports.wording import display, listed, number
from tintype.rules.rule_output import read_states
from tintype.web.engine_at_hand import tell_engine
from tintype.web.pages import rendering
from tintype.web.pages.lists import offset_of, page
from tintype.workspace import Workspace

AT = "/ui/jobs"
LOG_BYTES = 64 * 1024               # that the page begins with, and that one refresh adds at most
METRICS_SHOWN = 24
SPLITS = ("train", "valid", "validation", "test")
PROFILER_REPORT = Path("ProfilerReport", "profiler-output", "profiler-report.html")

Query = Mapping[str, str]


def row(job: Job) -> dict[str, Any]:
    """A job as a line of a list."""
    return {
        "name": job.name,
        "status": job.status.value,
        "phase": job.phase.value,
        "created_at": job.created_at,
        "seconds": seconds(job),
        "settings": "  ".join(f"{name} {value}" for name, value in settings_of(job).items()),
    }


def seconds(job: Job) -> float | None:
    """From its start to its end, or to now; None before it began."""
    return (job.ended_at or time.time()) - job.started_at if job.started_at else None


def job_list(workspace: Workspace, query: Query) -> Response:
    """All training jobs, newest first, narrowed by name and status."""
    status = next((one for one in Status if one.value == query.get("status")), None)
    asked = {key: query.get(key, "").strip() for key in ("name", "status", "trials")}

    def read(limit: int, offset: int) -> list[dict[str, Any]]:
        found = workspace.jobs.list(
            limit=limit,
            offset=offset,
            status=status,
            name_contains=asked["name"] or None,
            parent=None if asked["trials"] else "",
        )
        return [row(job) for job in found]

    found = page(AT, query, read)
    under_way = any(Status(one["status"]) in (Status.IN_PROGRESS, Status.STOPPING) for one in found.rows)
    words = [one.value for one in Status]
    return rendering.render("jobs.html", at=AT, list=found, asked=asked, statuses=words, under_way=under_way)


def job_page(workspace: Workspace, name: str) -> Response:
    """One job."""
    job = workspace.jobs.get(name)
    directory = JobDirectory(Path(job.directory))
    return rendering.render(
        "job.html",
        at=AT,
        job=job,
        under_way=not job.status.is_finished,
        seconds=seconds(job),
        rules=read_states(directory.rule_output),
        figures=metric_figures(workspace.jobs.measurements(name)),
        settings=list(settings_of(job).items()),
        doors=_doors(job, directory),
        log=log_piece(directory.log, _tail_offset(directory.log)),
    )


def job_log(workspace: Workspace, name: str, query: Query) -> Response:
    """What the log has from an offset on, as JSON: {"text", "offset"}."""
    directory = JobDirectory(Path(workspace.jobs.get(name).directory))
    return JSONResponse(log_piece(directory.log, offset_of(query)), headers=dict(rendering.HEADERS))


def whole_log(workspace: Workspace, name: str) -> Response:
    """The log as a text file."""
    return _file(JobDirectory(Path(workspace.jobs.get(name).directory)).log, "text/plain; charset=utf-8")


def archive(workspace: Workspace, name: str) -> Response:
    """The job's model.tar.gz."""
    job = workspace.jobs.get(name)
    return _file(JobDirectory(Path(job.directory)).archive, "application/gzip", f"{job.name}-model.tar.gz")


def job_report(workspace: Workspace, name: str) -> Response:
    """The job's own report, written when it is not there yet."""
    return rendering.report(report_path(workspace, name))


def debugger_report(workspace: Workspace, name: str) -> Response:
    """What the debugger knows of the job, as of now."""
    return rendering.report(debug_page(workspace, workspace.jobs.get(name)))


def profiler_report(workspace: Workspace, name: str) -> Response:
    """The profiler's report."""
    return rendering.report(JobDirectory(Path(workspace.jobs.get(name).directory)).rule_output / PROFILER_REPORT)


def stop_job(workspace: Workspace, name: str) -> Response:
    """Ask the job to stop, and show it."""
    workspace.jobs.request_stop(name)
    tell_engine(workspace)
    return RedirectResponse(f"{AT}/{name}", status_code=303)


def metric_figures(measurements: Sequence[Measurement]) -> list[tuple[str, Markup, str]]:
    """(quantity, curves, reading) of each quantity, in the order of their first values.

    `train:loss` and `valid:loss` are one quantity of two splits. Steps are the measurements' own where they grow, else
    the numbers of the measurements.
    """
    groups: dict[str, dict[str, list[Measurement]]] = {}
    for one in measurements:
        split, separator, quantity = one.name.partition(":")
        title, label = (quantity, split) if separator and split in SPLITS else (one.name, one.name)
        groups.setdefault(title, {}).setdefault(label, []).append(one)
    return [
        (title, step_curves([_curve(label, values) for label, values in series.items()], title), _reading(series))
        for title, series in list(groups.items())[:METRICS_SHOWN]
    ]


def _curve(label: str, values: Sequence[Measurement]) -> StepSeries:
    steps = tuple(one.step for one in values)
    grows = all(before < after for before, after in pairwise(steps))
    return StepSeries(label, steps if grows else tuple(range(len(values))), tuple(one.value for one in values))


def _reading(series: Mapping[str, Sequence[Measurement]]) -> str:
    """Of each split: the last value, and the range that it was in."""
    said = []
    for label, measured in series.items():
        finite = [one.value for one in measured if math.isfinite(one.value)]
        course = f" ({number(min(finite))} to {number(max(finite))})" if len(finite) > 1 else ""
        said.append(f"{display(label)} {number(measured[-1].value)}{course}")
    return f"Last: {listed(said)}."


def log_piece(log: Path, offset: int) -> dict[str, Any]:
    """At most `LOG_BYTES` of a log from an offset on, and where the next piece begins."""
    try:
        with log.open("rb") as stream:
            stream.seek(offset)
            piece = stream.read(LOG_BYTES)
    except FileNotFoundError:
        return {"text": "", "offset": 0}
    whole = piece[: piece.rfind(b"\n") + 1] or (piece if len(piece) == LOG_BYTES else b"")
    return {"text": whole.decode(errors="replace"), "offset": offset + len(whole)}


def _tail_offset(log: Path) -> int:
    try:
        size = log.stat().st_size
        if size <= LOG_BYTES:
            return 0
        with log.open("rb") as stream:
            stream.seek(size - LOG_BYTES)
            stream.readline()
            return stream.tell()
    except FileNotFoundError:
        return 0


def _doors(job: Job, directory: JobDirectory) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    here = f"{AT}/{job.name}"
    if job.status is Status.COMPLETED and job.result:
        found.append((f"{here}/report", "Report"))
    if directory.debug_output.is_dir() and any(directory.debug_output.iterdir()):
        found.append((f"{here}/debugger", "Debugger"))
    if (directory.rule_output / PROFILER_REPORT).is_file():
        found.append((f"{here}/profiler", "Profiler"))
    if directory.archive.is_file():
        found.append((f"{here}/model.tar.gz", "model.tar.gz"))
    return found


def _file(path: Path, media_type: str, filename: str | None = None) -> Response:
    if not path.is_file():
        raise NotFound(f"there is no {path.name} yet")
    return FileResponse(path, media_type=media_type, filename=filename, headers=dict(rendering.HEADERS))
