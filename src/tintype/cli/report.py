"""`tintype report`: where the report of a run or a job is, opened if asked."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tintype.cli.invocation import Invocation
from tintype.cli.output_file import output_option
from tintype.errors import InvalidRequest
from tintype.pipeline.reports_by_name import profile_path, report_path
from tintype.reports.pdf import write_pdf


def report(
    call: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A run, a tuning job or a training job.")],
    open_it: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    pdf: Annotated[Path | None, output_option("--pdf", "Print it to a PDF as well.")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="The profiler's report instead.")] = False,
) -> None:
    """The report of a run or a job: one HTML file that needs no network. Where it was profiled, that one too."""
    with call.workspace() as workspace:
        profiler = profile_path(workspace, name)
        if profile and profiler is None:
            report_path(workspace, name)                # a name that there is not is said with those near it
            raise InvalidRequest(f"{name!r} was not profiled; `tintype train` measures a job unless it is told not to")
        path = profiler if profile and profiler is not None else report_path(workspace, name)
    call.say(escape(str(path)))
    if profiler not in (None, path):
        call.say(f"profile: {escape(str(profiler))}")
    if pdf is not None:
        call.say(escape(str(write_pdf(path, pdf))))
    if open_it:
        webbrowser.open(path.as_uri())
    document = {"name": name, "report": str(path), "pdf": None if pdf is None else str(pdf)}
    call.answer({**document, "profile": None if profiler is None else str(profiler)})
