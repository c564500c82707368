"""The pages of `docs/debugger.md`: one for each rule, made of its docstring, its parameters and what it has saved.

    python -m tintype.rules.pages docs/debugger.md      writes them anew; a test says when that was forgotten
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tintype.debugger.collection import Collection
from tintype.debugger.modes import Mode
from tintype.debugger.save_config import SaveWindow
from tintype.rules.catalogue import RULES
from tintype.rules.parameters import Description, describe
from tintype.rules.rule import AnyRule
from tintype.storage import write_bytes

BEGIN, END = "<!-- generated: rules -->", "<!-- end of generated -->"


def page_of(rule: type[AnyRule]) -> str:
    """The section of one rule, in Markdown."""
    lines = [f"### {rule.NAME}", "", inspect.cleandoc(rule.__doc__ or "")]
    if parameters := describe(rule.PARAMETERS):
        lines += ["", "| parameter | default | may be | meaning |", "|---|---|---|---|"]
        lines += [_row(one) for one in parameters]
    else:
        lines += ["", "No parameters."]
    if rule.ATTACHES:
        lines += ["", "Saved for it: " + "; ".join(_attached(one) for one in rule.ATTACHES) + "."]
    return "\n".join(lines) + "\n"


def all_pages() -> str:
    """The generated part of the document: a list of all rules, and the page of each."""
    names = sorted(RULES)
    contents = [f"| [{name}](#{name.lower()}) | {_summary(RULES[name])} |" for name in names]
    listed = "\n".join(["| rule | finds |", "|---|---|", *contents])
    return "\n".join([BEGIN, "", listed, "", *(page_of(RULES[name]) for name in names), END])


def with_pages(document: str) -> str:
    """`document` with the part between the marks made anew."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + all_pages() + after


def _summary(rule: type[AnyRule]) -> str:
    return inspect.cleandoc(rule.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _row(one: Description) -> str:
    cells = (f"`{one.name}`", f"`{_spelt(one.default)}`", one.range, one.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _spelt(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(default) or "none"
    if isinstance(default, bool) or default is None:
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) and default != round(default, 4) else str(default)


def _attached(collection: Collection) -> str:
    what = "whole"
    if collection.reductions is not None and not collection.reductions.keep_raw:
        reductions = collection.reductions
        what = ", ".join(filter(None, (reductions.tokens(ours=False), reductions.tokens(ours=True)))).replace(",", ", ")
        what = f"`{what.replace('  ', ' ')}`"
    window = collection.save_config.window(Mode.TRAIN) if collection.save_config else None
    if window is None:
        return f"`{collection.name}` ({what})"
    return f"`{collection.name}` ({what}, {_when(window)})"


def _when(window: SaveWindow) -> str:
    if window.end == 1:
        return "at step 0"
    if window.interval == 1:
        return "at every step"
    early = sum(step < 1000 for step in window.steps)
    return f"at {early} of the first 1,000 steps, and at each {window.interval}th" if early else "now and then"


def main(arguments: Sequence[str]) -> int:
    """Write the pages into the document that is named."""
    path = Path(arguments[0])
    write_bytes(path, with_pages(path.read_text()).encode(), durable=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
