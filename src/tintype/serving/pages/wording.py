"""Numbers as the endpoint's page writes them."""

from __future__ import annotations

import time


def percent(share: float) -> str:
    """0.123 -> "12 %"; small shares keep a digit."""
    return f"{share:.1%}".replace("%", " %") if 0 < share < 0.1 else f"{share:.0%}".replace("%", " %")


def seconds(value: float) -> str:
    """0.0123 -> "12 ms"; 2.5 -> "2.5 s"."""
    if value >= 1:
        return f"{value:.1f} s"
    return f"{value * 1e3:.0f} ms" if value >= 0.01 else f"{value * 1e3:.1f} ms"


def age(at: float, now: float | None = None) -> str:
    """A time in seconds since the epoch -> "12 s ago"."""
    passed = max(0.0, (time.time() if now is None else now) - at)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if passed >= size:
            return f"{passed // size:.0f} {unit} ago"
    return f"{passed:.0f} s ago"
