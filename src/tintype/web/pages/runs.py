"""The pages of whole runs: the list, and each one's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tintype.pipeline.reports_by_name import report_path
from tintype.records import Record
from tintype.web.pages import rendering
from tintype.web.pages.lists import page
from tintype.workspace import RUN_KIND, Workspace

AT = "/ui/runs"


def run_rows(workspace: Workspace, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """Lines of runs, newest first."""
    return [_row(workspace, record) for record in workspace.records.list(RUN_KIND, limit=limit, offset=offset)]


def run_list(workspace: Workspace, query: Mapping[str, str]) -> Response:
    """All runs."""
    found = page(AT, query, lambda limit, offset: run_rows(workspace, limit, offset))
    return rendering.render("runs.html", at=AT, list=found)


def run_report(workspace: Workspace, name: str) -> Response:
    """The report of a run."""
    workspace.records.get(RUN_KIND, name)
    return rendering.report(report_path(workspace, name))


def _row(workspace: Workspace, record: Record) -> dict[str, Any]:
    return {
        "name": record.name,
        "status": record.status,
        "created_at": record.created_at,
        "has_report": (workspace.run_directory(record.name) / "report.html").is_file(),
    }
