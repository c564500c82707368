"""The report as one HTML file: no network, no external font or script, works without JavaScript.

The page's own policy (`Content-Security-Policy`) lets only its own script run, by hash: even if a hostile class
name got past the escaping, it could not do anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tintype.reports import readings, wording
from tintype.reports.concerns import concerns
from tintype.reports.palette import custom_properties
from tintype.reports.run_report import Missing, Mistakes, RunReport
from tintype.reports.views import view
from tintype.storage import write_bytes

LIMIT_BYTES = 1_400_000                                     # a page is made smaller until it is below this
SECTIONS: tuple[tuple[str, str], ...] = (
    ("overview", "Overview"),
    ("data", "Data"),
    ("tuning", "Tuning"),
    ("curves", "Learning curves"),
    ("confusion", "Confusion matrix"),
    ("classes", "Classes"),
    ("mistakes", "Mistakes"),
    ("calibration", "Calibration"),
    ("timing", "Timing"),
    ("use", "Use it"),
    ("again", "Do it again"),
)


def write_report(report: RunReport, path: Path) -> Path:
    """Write the page to `path`, whole or not at all. Raises `StorageFailed`."""
    write_bytes(path, render(report).encode(errors="replace"))
    return path


def render(report: RunReport) -> str:
    """The page. When it is above `LIMIT_BYTES`, pictures are left out until it is not."""
    page = _render(report)
    for fewer in (_half_the_pictures, _half_the_pictures, _no_pictures):
        if len(page.encode(errors="replace")) <= LIMIT_BYTES:
            break
        report = fewer(report)
        page = _render(report)
    return page


def _render(report: RunReport) -> str:
    script = _template_text("run_report.js")
    return _environment().get_template("run_report.html").render(
        report=report,
        view=view(report),
        sections=SECTIONS,
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup(_template_text("run_report.css")),
        light=custom_properties("light"),
        dark=custom_properties("dark"),
    )


def _half_the_pictures(report: RunReport) -> RunReport:
    return _with_pictures(report, lambda count: (count + 1) // 2)


def _no_pictures(report: RunReport) -> RunReport:
    left_out = Missing("The pictures were left out to keep this page small.")
    mistakes = report.mistakes
    if isinstance(mistakes, Mistakes):
        mistakes = replace(mistakes, shown=tuple(replace(one, picture=None) for one in mistakes.shown))
    return replace(report, data=replace(report.data, samples=left_out), mistakes=mistakes)


def _with_pictures(report: RunReport, keep: Callable[[int], int]) -> RunReport:
    """The report with `keep(n)` of the n classes with pictures, of the n pictures of each, and of the n mistakes."""
    data, mistakes = report.data, report.mistakes
    if not isinstance(data.samples, Missing):
        fewer = data.samples[: keep(len(data.samples))]
        samples = tuple(replace(one, pictures=one.pictures[: keep(len(one.pictures))]) for one in fewer)
        data = replace(data, samples=samples)
    if isinstance(mistakes, Mistakes):
        mistakes = replace(mistakes, shown=mistakes.shown[: keep(len(mistakes.shown))])
    return replace(report, data=data, mistakes=mistakes)


@cache
def _template_text(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tintype.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        display=wording.display,
        percent=wording.percent,
        number=wording.number,
        quantity=wording.quantity,
        seconds=wording.seconds,
        moment=wording.moment,
    )
    environment.globals.update(readings=readings, concerns=concerns, counted=wording.counted)
    environment.tests["missing"] = lambda value: isinstance(value, Missing)
    return environment
