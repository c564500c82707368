"""What one process keeps from job to job: things that do not depend on what a trial varies.

The trials of one tuning job share a data set, its caches and a backbone; a warm worker finds them here and pays for
them once. Keys must hold everything that the value depends on. Nothing on the shelf may be changed in place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast, final

T = TypeVar("T")


@final
class Shelf:
    """The `places` things used last, by key."""

    def __init__(self, places: int = 8) -> None:
        self._places = places
        self._things: OrderedDict[Hashable, Any] = OrderedDict()

    def take(self, key: Hashable, make: Callable[[], T]) -> T:
        """The thing at `key`, made now when it is not there."""
        if key not in self._things:
            self._things[key] = make()
        self._things.move_to_end(key)
        while len(self._things) > self._places:
            self._things.popitem(last=False)
        return cast(T, self._things[key])
