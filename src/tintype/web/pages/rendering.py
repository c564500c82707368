"""A page from a template: everything is escaped, and a policy lets nothing but our own files run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.responses import FileResponse, HTMLResponse, Response

from tintype.errors import NotFound
from tintype.reports.page import environment, template_text
from tintype.reports.palette import custom_properties

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# A report is one file that brings its own script and style. It may have been written by a job's script, so it is kept
# away from the pages' cookie: `sandbox` gives it an origin of its own.
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",         # with "no-referrer" a form would not say its origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NAV: tuple[tuple[str, str], ...] = (
    ("/ui/", "Now"),
    ("/ui/jobs", "Training jobs"),
    ("/ui/tuning", "Tuning jobs"),
    ("/ui/runs", "Runs"),
    ("/ui/endpoints", "Endpoints"),
)


def render(template: str, *, at: str, code: int = 200, **values: Any) -> HTMLResponse:
    """The page of a template; `at` is the entry of `NAV` that it belongs to."""
    content = _environment().get_template(template).render(nav=NAV, at=at, **values)
    return HTMLResponse(content, code, {**HEADERS, "Content-Security-Policy": POLICY})


def report(path: Path) -> Response:
    """A self-contained page from a file. `NotFound` when there is none."""
    if not path.is_file():
        raise NotFound("this job has no such report yet")
    return FileResponse(
        path, media_type="text/html; charset=utf-8", headers={**HEADERS, "Content-Security-Policy": REPORT_POLICY}
    )


def style() -> Response:
    """The style of all pages: the reports', and what the pages add."""
    light, dark = custom_properties("light"), custom_properties("dark")
    themes = (
        f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f":root[data-theme=light]{{{light}}}:root[data-theme=dark]{{{dark}}}"
    )
    css = themes + template_text("run_report.css") + template_text("profiler_report.css") + _static("pages.css")
    return Response(css, media_type="text/css", headers=dict(HEADERS))


def script() -> Response:
    """The script of all pages: the reports' (theme, sorting, tooltips), and the refreshing of what is under way."""
    content = template_text("run_report.js") + _static("pages.js")
    return Response(content, media_type="text/javascript", headers=dict(HEADERS))


@cache
def _static(name: str) -> str:
    return (Path(__file__).parent / "static" / name).read_text()


@cache
def _environment() -> Environment:
    """The reports' own, over the pages' templates."""
    return environment().overlay(loader=PackageLoader("tintype.web.pages"))
