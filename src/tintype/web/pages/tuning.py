"""The pages of tuning jobs: the list, and one with its trials and figures while it runs and afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from tintype.pipeline.coordination import request_stop, tuning_state
from tintype.pipeline.reporting import tuning_evidence
from tintype.pipeline.tuning_summary import described_best
from tintype.reports.gathering import gather_tuning
from tintype.reports.readings import tuning_reading
from tintype.reports.run_report import Missing
from tintype.reports.tuning_view import tuning_view
from tintype.tuning.analytics import as_csv
from tintype.web.pages import rendering
from tintype.web.pages.lists import page
from tintype.web.pages.tuning_rows import UNDER_WAY, TuningRows
from tintype.workspace import Workspace

AT = "/ui/tuning"

def tuning_list(rows: TuningRows, query: Mapping[str, str]) -> Response:
    """All tuning jobs."""
    found = page(AT, query, rows.newest)
    return rendering.render(
        "tuning_jobs.html", at=AT, list=found, under_way=any(one["under_way"] for one in found.rows)
    )


def tuning_page(workspace: Workspace, name: str) -> Response:
    """One tuning job."""
    state = tuning_state(workspace.records, name)
    tuning = gather_tuning(tuning_evidence(state))
    missing = isinstance(tuning, Missing)
    return rendering.render(
        "tuning_job.html",
        at=AT,
        name=state.name,
        status=state.status.value,
        reason=state.reason,
        notes=state.notes,
        under_way=state.status in UNDER_WAY,
        objective=state.settings.objective,
        reading=("No trial has begun yet.",) if missing else tuning_reading(tuning),
        view=NOTHING if missing else tuning_view(tuning),
        best=described_best(state.best),
    )


def trials_csv(workspace: Workspace, name: str) -> Response:
    """The table of trials with the columns of SageMaker's tuning analytics."""
    content = as_csv(tuning_state(workspace.records, name))
    headers = {**rendering.HEADERS, "Content-Disposition": f'attachment; filename="{name}-trials.csv"'}
    return Response(content, media_type="text/csv", headers=headers)


def stop_tuning(workspace: Workspace, name: str) -> Response:
    """Ask the tuning job to stop, and show it."""
    request_stop(workspace.records, name)
    return RedirectResponse(f"{AT}/{name}", status_code=303)


# What the template shows of a tuning job without a trial.
NOTHING: Mapping[str, Any] = {"time": None, "figures": (), "rows": (), "columns": ()}
