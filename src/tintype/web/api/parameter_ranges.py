"""ParameterRanges: the wire's strings as our ranges. Pure.

Values of a categorical range stay the strings that they are, quotes and all: a trial is given them to the letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tintype.errors import InvalidRequest
from tintype.jobs import hyperparameters
from tintype.tuning.ranges import Categorical, Continuous, Integer, Range
from tintype.tuning.scaling import Scaling
from tintype.tuning.space import Space

AROUND = 10.0               # a hint is searched from a tenth of it to ten times it


def space_of(ranges: Mapping[str, Any]) -> Space:
    """The space that is searched. `InvalidRequest` names the range that makes no sense."""
    found: list[Range] = []
    found += [_integer(one) for one in ranges.get("IntegerParameterRanges") or ()]
    found += [_continuous(one) for one in ranges.get("ContinuousParameterRanges") or ()]
    found += [Categorical(one["Name"], tuple(one["Values"])) for one in ranges.get("CategoricalParameterRanges") or ()]
    found += [_around(one) for one in ranges.get("AutoParameters") or ()]
    return Space(tuple(found))


def _integer(one: Mapping[str, Any]) -> Integer:
    low, high = (_number(one, end) for end in ("MinValue", "MaxValue"))
    if not (low.is_integer() and high.is_integer()):
        raise InvalidRequest(f"the integer range {one['Name']!r} goes from {one['MinValue']} to {one['MaxValue']}")
    return Integer(one["Name"], int(low), int(high), Scaling(one.get("ScalingType", "Auto")))


def _continuous(one: Mapping[str, Any]) -> Continuous:
    low, high = (_number(one, end) for end in ("MinValue", "MaxValue"))
    return Continuous(one["Name"], low, high, Scaling(one.get("ScalingType", "Auto")))


def _number(one: Mapping[str, Any], end: str) -> float:
    try:
        return float(one[end])
    except ValueError as error:
        raise InvalidRequest(f"{end} of the range {one['Name']!r} is no number: {one[end]!r}") from error


def _around(one: Mapping[str, Any]) -> Range:
    """Of Autotune, which names a hyperparameter and a value that is not bad: a range around it."""
    name, hint = one["Name"], hyperparameters.decode(one["ValueHint"])
    if isinstance(hint, bool) or not isinstance(hint, int | float) or hint <= 0:
        raise InvalidRequest(f"Autotune can search around a number over 0 only; give {name!r} a range, or fix it")
    if isinstance(hint, int):
        return Integer(name, max(1, int(hint / AROUND)), int(hint * AROUND), Scaling.LOGARITHMIC)
    return Continuous(name, hint / AROUND, hint * AROUND, Scaling.LOGARITHMIC)
