"""How numbers, durations, moments and other people's names are written in a report."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

MISSING = "–"

# Control characters and lone surrogates cannot be shown; overrides of the writing direction can make a name
# read as another one. Each becomes the replacement character.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def display(name: str, limit: int = 60) -> str:
    """A class or file name as one line of at most `limit` characters; the middle is left out when it is longer."""
    shown = _UNSHOWABLE.sub("�", name)
    if len(shown) <= limit:
        return shown
    tail = limit // 3
    return f"{shown[: limit - tail - 1]}…{shown[-tail:]}"


def percent(share: float | None, digits: int = 1) -> str:
    """0.9412 as "94.1%". None and NaN are a dash."""
    if share is None or not math.isfinite(share):
        return MISSING
    return f"{100 * share:.{digits}f}%"


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` significant digits, no trailing zeros, and powers of ten where it is very small."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{max(digits - 2, 0)}e}".split("e")
    power = int(exponent)
    if power < -4 or power >= 7:
        ten = f"10{str(power).translate(_SUPERSCRIPTS)}"
        shown = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return ten if shown == "1" else f"{shown}×{ten}"
    if float(value).is_integer():
        return f"{int(value):,}"
    text = f"{value:.{max(digits - 1 - power, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: object) -> str:
    """A hyperparameter's value, of whatever type, as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING if value is None else display(str(value))
    return str(value) if isinstance(value, int) else number(value)


def seconds(duration: float | None) -> str:
    """A duration in seconds as "0.82 s", "13 s", "3 min 12 s" or "2 h 5 min"."""
    if duration is None or not math.isfinite(duration):
        return MISSING
    if duration < 0.001:
        return "0 s" if duration <= 0 else "< 1 ms"
    if duration < 0.1:
        return f"{1000 * duration:.0f} ms"
    if duration < 10:
        return f"{duration:.1f} s"
    whole = round(duration)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """A number of bytes as "109 kB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if count >= 10 or unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("every size has a unit")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 image`, `397 images`, `2 classes`."""
    many = plural or (f"{noun}es" if noun.endswith(("s", "ch", "x")) else f"{noun}s")
    return f"{count:,} {noun if count == 1 else many}"


def moment(unix_seconds: float) -> str:
    """A time as "21 November 2026, 08:12 UTC"."""
    at = datetime.fromtimestamp(unix_seconds, UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
