"""Whether trials look for new steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def _refreshing(trials: Any, wanted: bool) -> Iterator[Any]:
    listed = list(trials) if isinstance(trials, Sequence) else [trials]
    before = [trial.dynamic_refresh for trial in listed]
    for trial in listed:
        trial.dynamic_refresh = wanted
    try:
        yield trials
    finally:
        for trial, was in zip(listed, before, strict=True):
            trial.dynamic_refresh = was


def no_refresh(trials: Any) -> Any:
    """For the length of a block, a trial (or each of several) does not look for new steps."""
    return _refreshing(trials, False)


def refresh(trials: Any) -> Any:
    """For the length of a block, a trial (or each of several) looks for new steps."""
    return _refreshing(trials, True)


def name_order(name: str) -> int:
    """The number at the end of a tensor's name; 0 without one."""
    found = re.search(r"_(\d+)$", name)
    return int(found[1]) if found else 0
