"""The first page: what is under way now, and what was last."""

from __future__ import annotations

from starlette.responses import Response

from tintype.jobs.store import UNFINISHED
from tintype.reports.wording import counted, listed
from tintype.web.pages import rendering
from tintype.web.pages.endpoints import endpoint_rows
from tintype.web.pages.jobs import row
from tintype.web.pages.runs import run_rows
from tintype.web.pages.tuning_rows import TuningRows
from tintype.workspace import Workspace

ROWS = 8


def overview(workspace: Workspace, tuning: TuningRows) -> Response:
    """The newest of everything; a trial is shown only while it runs."""
    running = workspace.jobs.list(status=UNFINISHED, limit=ROWS)
    newest = workspace.jobs.list(parent="", limit=ROWS)
    jobs = [*running, *(job for job in newest if job.status.is_finished)][:ROWS]
    tunings = tuning.newest(ROWS)
    at_work = sum(one["under_way"] for one in tunings)
    endpoints = endpoint_rows(workspace, ROWS)
    return rendering.render(
        "overview.html",
        at="/ui/",
        home=str(workspace.home),
        verdict=_verdict(len(running), at_work, len(endpoints)),
        jobs=[row(job) for job in jobs],
        tunings=tunings,
        endpoints=endpoints,
        runs=run_rows(workspace, ROWS),
        under_way=bool(running or at_work),
        at_rest="later",                    # somebody may begin something: it is looked for, less often
    )


def _verdict(jobs: int, tunings: int, endpoints: int) -> str:
    more = "at least " if jobs == ROWS else ""
    counts = (
        (f"{more}{counted(jobs, 'training job')}", jobs),
        (counted(tunings, "tuning job"), tunings),
        (counted(endpoints, "endpoint"), endpoints),
    )
    found = [words for words, count in counts if count]
    return f"Under way: {listed(found)}." if found else "Nothing is under way."
