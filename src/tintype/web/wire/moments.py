"""Times as the wire has them: seconds since the epoch, ISO 8601, or HTTP's own format. Values are aware datetimes in
UTC.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime


def from_epoch(seconds: float) -> datetime:
    """Raises `ValueError` for what is no moment."""
    if not math.isfinite(seconds):
        raise ValueError(f"{seconds} is no moment")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{seconds} is too far away") from error


def from_text(text: str) -> datetime:
    """From any of the three formats. Raises `ValueError`."""
    try:
        return from_epoch(float(text))
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = parsedate_to_datetime(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def to_epoch(moment: datetime) -> float:
    """Seconds, to the millisecond, as AWS gives them."""
    return round(_aware(moment).timestamp(), 3)


def to_iso(moment: datetime) -> str:
    """`2026-01-31T23:59:59.123Z`."""
    return _aware(moment).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_http(moment: datetime) -> str:
    """`Sat, 31 Jan 2026 23:59:59 GMT`."""
    return format_datetime(_aware(moment).astimezone(UTC), usegmt=True)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise TypeError(f"{moment} has no time zone")
    return moment
