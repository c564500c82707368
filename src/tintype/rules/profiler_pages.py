"""The pages of `docs/profiler.md`: one for each profiler rule, made of its docstring and its parameters.

    python -m tintype.rules.profiler_pages docs/profiler.md     writes them anew; a test says when that was forgotten
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tintype.rules.parameters import describe
from tintype.rules.profiler_catalogue import PROFILER_RULES
from tintype.rules.profiler_rule import ProfilerRule, spelt
from tintype.storage import write_bytes

BEGIN, END = "<!-- generated: rules -->", "<!-- end of generated -->"


def page_of(rule: type[ProfilerRule[Any]]) -> str:
    """The section of one rule, in Markdown."""
    lines = [f"### {rule.NAME}", "", inspect.cleandoc(rule.__doc__ or "")]
    if rule.ADVICE:
        lines += ["", f"**Do**: {rule.ADVICE}"]
    lines += ["", "| parameter | default | may be | meaning |", "|---|---|---|---|"]
    rows = [(f"`{one.name}`", f"`{spelt(one.default)}`", one.range, one.meaning) for one in describe(rule.PARAMETERS)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def all_pages() -> str:
    """The generated part of the document: a list of all rules, and the page of each."""
    names = sorted(PROFILER_RULES)
    rows = [f"| [{name}](#{name.lower()}) | {_summary(PROFILER_RULES[name])} |" for name in names]
    listed = "\n".join(["| rule | finds |", "|---|---|", *rows])
    return "\n".join([BEGIN, "", listed, "", *(page_of(PROFILER_RULES[name]) for name in names), END])


def with_pages(document: str) -> str:
    """`document` with the part between the marks made anew."""
    before, _, rest = document.partition(BEGIN)
    return before + all_pages() + rest.partition(END)[2]


def _summary(rule: type[ProfilerRule[Any]]) -> str:
    return inspect.cleandoc(rule.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def main(arguments: Sequence[str]) -> int:
    """Write the pages into the document that is named."""
    path = Path(arguments[0])
    write_bytes(path, with_pages(path.read_text()).encode(), durable=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
