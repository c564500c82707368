"""Times: seconds since the epoch in our records, aware datetimes on the wire."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(seconds: float) -> datetime:
    """A time of our records, in milliseconds as AWS has them."""
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def seconds_of(at: datetime | None) -> float | None:
    """A time of the wire, for our records."""
    return None if at is None else at.timestamp()


def moments(**seconds: float | None) -> dict[str, datetime]:
    """Those of the named times that are known; 0 means that it has not happened."""
    return {name: moment(value) for name, value in seconds.items() if value}
