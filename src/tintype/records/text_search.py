"""A part of a name, whatever the case of its letters: each database has its own fast way to look for it."""

from __future__ import annotations

from typing import Any, final

import sqlalchemy as sql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

ESCAPE = "/"


def contains(column: sql.ColumnElement[str], text: str) -> sql.ColumnElement[bool]:
    """Whether `text` is part of the column; its `%` and `_` mean themselves."""
    for sign in (ESCAPE, "%", "_"):
        text = text.replace(sign, ESCAPE + sign)
    return _like_any_case(column, sql.literal(f"%{text}%"))


@final
class _like_any_case(GenericFunction[bool]):        # as SQL names functions
    type = sql.Boolean()
    inherit_cache = True
    _register = False


@compiles(_like_any_case)
def _(element: _like_any_case, compiler: Any, **options: Any) -> str:
    column, pattern = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} ILIKE {pattern} ESCAPE '{ESCAPE}'"


@compiles(_like_any_case, "sqlite")
def _(element: _like_any_case, compiler: Any, **options: Any) -> str:
    # SQLite's LIKE heeds no case of ASCII letters, and is twice as fast as comparing lower(name)
    column, pattern = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} LIKE {pattern} ESCAPE '{ESCAPE}'"
