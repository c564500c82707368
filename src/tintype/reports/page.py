"""The report as one HTML file: no network, no external font or script, works without JavaScript.

The page's own policy (`Content-Security-Policy`) lets only its own script run, by hash: even if a hostile class
name got past the escaping, it could not do anything.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tintype.reports import readings, shrinking, wording
from tintype.reports.concerns import concerns
from tintype.reports.palette import custom_properties
from tintype.reports.run_report import Missing, RunReport
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
    for fewer in shrinking.STEPS:
        if len(page.encode(errors="replace")) <= LIMIT_BYTES:
            break
        report = fewer(report)
        page = _render(report)
    return page


def _render(report: RunReport) -> str:
    script = template_text("run_report.js")
    return environment().get_template("run_report.html").render(
        report=report,
        view=view(report),
        sections=SECTIONS,
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup(template_text("run_report.css")),
        light=custom_properties("light"),
        dark=custom_properties("dark"),
    )


@cache
def template_text(name: str) -> str:
    """A file of the folder `templates`."""
    return (Path(__file__).parent / "templates" / name).read_text()


@cache
def environment() -> Environment:
    """Jinja as all pages use it: everything is escaped, and what is not defined is an error."""
    made = Environment(
        loader=PackageLoader("tintype.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        display=wording.display,
        percent=wording.percent,
        number=wording.number,
        quantity=wording.quantity,
        seconds=wording.seconds,
        moment=wording.moment,
        size=wording.size,
    )
    made.globals.update(readings=readings, concerns=concerns, counted=wording.counted)
    made.tests["missing"] = lambda value: isinstance(value, Missing)
    return made
