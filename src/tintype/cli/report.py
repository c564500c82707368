"""`tintype report`: where the report of a run or a job is, opened if asked."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tintype.cli.invocation import Invocation
from tintype.pipeline.reports_by_name import report_path
from tintype.reports.pdf import write_pdf


def report(
    call: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A run, a tuning job or a training job.")],
    open_it: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    pdf: Annotated[Path | None, typer.Option(metavar="FILE", help="Print it to a PDF as well.")] = None,
) -> None:
    """The report of a run or a job: one HTML file that needs no network."""
    with call.workspace() as workspace:
        path = report_path(workspace, name)
    call.say(escape(str(path)))
    if pdf is not None:
        call.say(escape(str(write_pdf(path, pdf.expanduser()))))
    if open_it:
        webbrowser.open(path.as_uri())
    call.answer({"name": name, "report": str(path), "pdf": None if pdf is None else str(pdf)})
