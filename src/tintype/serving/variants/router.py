"""Which replicas answer a request: by weight, by name, and never by chance alone. Pure.

Requests are dealt out along the golden ratio's multiples instead of random numbers: after any number of requests each
route has had its share to within a request or two, and no pattern of arrivals can be in step with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, final

from tintype.errors import InvalidRequest

GOLDEN = 0.6180339887498949
Replicas = TypeVar("Replicas")


@final
@dataclass(frozen=True)
class Route(Generic[Replicas]):
    """Somewhere that requests may go."""

    variant: str
    weight: float               # any scale; 0 gets none, unless it is asked for by name
    to: Replicas


def choose(routes: Sequence[Route[Replicas]], number: int, target: str | None = None) -> Route[Replicas]:
    """The route of the request that has this `number`, counted from 0; with a `target`, among those of that variant.

    `InvalidRequest` lists the variants when there is none of that name.
    """
    candidates = [one for one in routes if one.variant == target] if target else list(routes)
    if not candidates:
        known = ", ".join(sorted({one.variant for one in routes})) or "none"
        raise InvalidRequest(f"there is no variant {target!r} here; there are: {known}")
    total = sum(one.weight for one in candidates)
    if total <= 0:
        return candidates[0]
    left = number * GOLDEN % 1.0 * total
    for one in candidates:
        left -= one.weight
        if left < 0:
            return one
    return next(one for one in reversed(candidates) if one.weight > 0)      # rounding


def blend(old: Sequence[Route[Replicas]], new: Sequence[Route[Replicas]], share: float) -> tuple[Route[Replicas], ...]:
    """The routes of both, such that the `new` ones together get `share` of the requests, 0 to 1."""
    return (*_scaled(old, 1 - share), *_scaled(new, share))


def _scaled(routes: Sequence[Route[Replicas]], share: float) -> list[Route[Replicas]]:
    total = sum(one.weight for one in routes) or 1.0
    return [Route(one.variant, one.weight / total * share, one.to) for one in routes]
