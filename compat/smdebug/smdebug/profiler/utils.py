"""Small things that scripts import from here."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum

TRUE = ("y", "yes", "t", "true", "on", "1")
FALSE = ("n", "no", "f", "false", "off", "0")


def str2bool(v: str | bool) -> bool:
    """A flag from how people spell it on a command line; `ValueError` for anything else."""
    if isinstance(v, bool):
        return v
    if v.lower() in TRUE:
        return True
    if v.lower() in FALSE:
        return False
    raise ValueError(f"invalid truth value {v!r}")


class TimeUnits(Enum):
    """The unit of times that a reader is given."""

    SECONDS = 1
    MILLISECONDS = 2
    MICROSECONDS = 3
    NANOSECONDS = 4


MICROSECONDS_OF = {
    TimeUnits.SECONDS: 1_000_000.0,
    TimeUnits.MILLISECONDS: 1_000.0,
    TimeUnits.MICROSECONDS: 1.0,
    TimeUnits.NANOSECONDS: 0.001,
}


def convert_utc_timestamp_to_microseconds(timestamp: float, time_unit: TimeUnits = TimeUnits.SECONDS) -> float:
    """Microseconds since the epoch."""
    return timestamp * MICROSECONDS_OF[time_unit]


def us_since_epoch_to_human_readable_time(us_since_epoch: float) -> str:
    """`2026-11-30T09:00:00:123456`, UTC."""
    return datetime.fromtimestamp(us_since_epoch / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S:%f")
