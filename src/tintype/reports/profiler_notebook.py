"""The profiler's report as a notebook: the same sections, and cells that read the profile for whoever wants more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

from tintype.reports.page import template_text
from tintype.reports.palette import custom_properties
from tintype.reports.profiler_parts import Figure, Section, Table

Json = dict[str, Any]
READ = """from tintype.profiler.readers import open_profile

profile = open_profile("profiler-output")       # of this job, from its own folder
profile.system().to_frame().describe()"""


def notebook(name: str, verdict: str, sections: Sequence[Section]) -> Json:
    """A document of nbformat 4. Figures are outputs, so that it shows without being run."""
    cells = [_words("title", f"# {name}\n\n{verdict}"), _code("read", READ, "")]
    for section in sections:
        cells.append(_words(section.id, "\n\n".join((f"## {section.title}", *section.readings))))
        for number, part in enumerate((*section.figures, *section.tables)):
            cells.append(_code(f"{section.id}-{number}", f"# {part.title}", _html(part)))
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _html(part: Any) -> str:
    if isinstance(part, Table):
        heads = Markup("").join(Markup("<th>{}</th>").format(head) for head in part.heads)
        rows = Markup("").join(
            Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row))
            for row in part.rows
        )
        body = Markup("<table><tr>{}</tr>{}</table>").format(heads, rows)
    else:
        body = part.drawing if isinstance(part, Figure) else Markup("<p>{}</p>").format(part.missing.reason)
    style = template_text("profiler_report.css")
    colours = custom_properties("light")
    return f'<div class="tintype" style="{escape(colours)}"><style>{style}</style>{body}</div>'


def _words(number: str, text: str) -> Json:
    return {"cell_type": "markdown", "id": number, "metadata": {}, "source": text}


def _code(number: str, source: str, html: str) -> Json:
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": html, "text/plain": source}}
    return {
        "cell_type": "code", "id": number, "metadata": {}, "execution_count": None, "source": source,
        "outputs": [output] if html else [],
    }  # fmt: skip
