"""Pillow's warnings, kept from the program around us.

Pillow tells of odd metadata through `warnings`, which a program may have turned into errors, or print. `catch_warnings`
would do for one thread, but it swaps the filters of the whole process, and two threads that leave it in the wrong order
silence the program for good. So one filter is put in front that answers for one thread only, and is taken out again.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any


class _ThisThread:
    """Stands where a filter has its pattern: it "matches" every message, in the thread that made it."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def match(self, message: str) -> bool:
        return threading.get_ident() == self._thread


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Ignore the warnings of this thread, and of no other, within the block."""
    filters: list[Any] = warnings.filters      # pyright: ignore[reportAssignmentType]  the list in force now
    entry = ("ignore", _ThisThread(), Warning, None, 0)
    filters.insert(0, entry)
    try:
        yield
    finally:
        filters.remove(entry)
