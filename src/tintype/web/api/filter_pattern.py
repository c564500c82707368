"""CloudWatch's filter patterns for plain lines. Pure.

    ERROR                   lines with the word; several words: lines with all of them
    "out of memory"         lines with the phrase
    ?ERROR ?WARN            lines with any of these
    -debug                  lines without it
    %regex%                 lines that match

Letters are told from capitals, as there. Patterns over JSON and over columns are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tintype.errors import InvalidRequest

TERM = re.compile(r'(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]+)%|(?P<word>[^\s"]+))')

Matches = Callable[[str], bool]


def parse_pattern(text: str) -> Matches:
    """What tells whether a line is wanted. `InvalidRequest` for a pattern that is not for plain lines."""
    text = text.strip()
    if not text:
        return lambda _: True
    if text[0] in "{[":
        raise InvalidRequest(f"the filter pattern {text!r} is for JSON or columns; logs are plain lines: give words")
    wanted: dict[str, list[Matches]] = {"": [], "?": [], "-": []}
    position = 0
    while position < len(text):
        term = TERM.match(text, position)
        if term is None:
            raise InvalidRequest(f"the filter pattern {text!r} cannot be read from {text[position:]!r} on")
        wanted[term["sign"]].append(_matches(term))
        position = term.end() + (len(text[term.end() :]) - len(text[term.end() :].lstrip()))
    return lambda line: (
        all(one(line) for one in wanted[""])
        and (not wanted["?"] or any(one(line) for one in wanted["?"]))
        and not any(one(line) for one in wanted["-"])
    )


def _matches(term: re.Match[str]) -> Matches:
    if term["regex"] is not None:
        try:
            expression = re.compile(term["regex"])
        except re.error as error:
            raise InvalidRequest(f"the regular expression {term['regex']!r} does not compile: {error}") from error
        return lambda line: expression.search(line) is not None
    if term["phrase"] is not None:
        phrase = re.sub(r"\\(.)", r"\1", term["phrase"])
        return lambda line: phrase in line
    word = term["word"]
    return lambda line: word in line
