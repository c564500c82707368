"""Which collections a tensor belongs to, asked of the expressions once and not at every step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from tintype.debugger.collection import Collection


@final
@dataclass
class Membership:
    """Remembers answers for as long as a collection stays the same object; a log that rereads one makes another."""

    _known: dict[str, tuple[Collection, dict[str, bool]]] = field(default_factory=dict)

    def has(self, collection: Collection, tensor: str) -> bool:
        """Whether `tensor` belongs to `collection`."""
        known = self._known.get(collection.name)
        if known is None or known[0] is not collection:
            known = self._known[collection.name] = (collection, {})
        found = known[1].get(tensor)
        if found is None:
            found = known[1][tensor] = collection.matches(tensor)
        return found
