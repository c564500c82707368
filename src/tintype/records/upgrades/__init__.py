"""The steps from each schema to the next, by the version that they lead to. A released step never changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from tintype.records.upgrades import version_2

UPGRADES: Mapping[int, Callable[[Connection], None]] = {2: version_2.upgrade}
