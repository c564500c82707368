"""What a hyperparameter may be: a continuous range, an integer range, or one of some values.

Both ends of a range are included. A range maps to and from the unit interval, on which strategies work; `scaling.py`
says how.

The text form, which `parse_range` reads and `str` of a range writes:

    lr=0.001:0.1:log      continuous     (linear, log, reverse-log or auto; auto when it is left out)
    epochs=2..4           integer        (linear, log or auto: epochs=2..512:log)
    batch-size=16,64,256  categorical    (numbers when all of them are plain numbers, otherwise text)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, final

from tintype.errors import InvalidRequest
from tintype.tuning.scaling import Scaling, from_unit, resolved, to_unit

Value: TypeAlias = "str | int | float | bool"

LONGEST_NAME = 256              # characters; SageMaker's limit
LONGEST_SHOWN = 60              # characters of what arrived, in an error
LARGEST_INTEGER = 2**53         # beyond it a float, which scaling goes through, skips integers

GRAMMAR = "NAME=low:high[:scaling], NAME=low..high[:scaling] or NAME=value,value,..."


SCALING_WORDS = {
    "auto": Scaling.AUTO,
    "linear": Scaling.LINEAR,
    "lin": Scaling.LINEAR,
    "log": Scaling.LOGARITHMIC,
    "logarithmic": Scaling.LOGARITHMIC,
    "reverse-log": Scaling.REVERSE_LOGARITHMIC,
    "reverselog": Scaling.REVERSE_LOGARITHMIC,
    "reverse-logarithmic": Scaling.REVERSE_LOGARITHMIC,
    "reverselogarithmic": Scaling.REVERSE_LOGARITHMIC,
}
SHORTEST_WORD = {
    Scaling.AUTO: "auto",
    Scaling.LINEAR: "linear",
    Scaling.LOGARITHMIC: "log",
    Scaling.REVERSE_LOGARITHMIC: "reverse-log",
}


@final
@dataclass(frozen=True)
class Continuous:
    """Any number from `low` to `high`. `InvalidRequest` when the ends or the scaling make no sense."""

    kind: ClassVar[str] = "continuous"
    name: str
    low: float
    high: float
    scaling: Scaling = Scaling.AUTO

    def __post_init__(self) -> None:
        _check_name(self.name)
        for end in ("low", "high"):
            object.__setattr__(self, end, _finite(self.name, end, getattr(self, end)))
        _check_ends(self)

    @property
    def size(self) -> int | None:
        """How many values there are: None for "no end of them"."""
        return 1 if self.low == self.high else None

    def from_unit(self, u: float) -> float:
        """The value at `u` in [0, 1]; 0 gives `low` and 1 gives `high`, exactly."""
        scaling = resolved(self.scaling, self.low, self.high)
        return min(max(from_unit(u, self.low, self.high, scaling), self.low), self.high)

    def to_unit(self, value: Value) -> float:
        """Where `value` lies in [0, 1]."""
        return to_unit(float(value), self.low, self.high, resolved(self.scaling, self.low, self.high))

    def contains(self, value: Value) -> bool:
        """Whether `value` is a number within the range."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.name}={self.low!r}:{self.high!r}{_told(self.scaling)}"


@final
@dataclass(frozen=True)
class Integer:
    """Any integer from `low` to `high`. `InvalidRequest` when the ends or the scaling make no sense."""

    kind: ClassVar[str] = "integer"
    name: str
    low: int
    high: int
    scaling: Scaling = Scaling.AUTO

    def __post_init__(self) -> None:
        _check_name(self.name)
        for end in ("low", "high"):
            _check_integer(self.name, end, getattr(self, end))
        _check_ends(self)

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    def from_unit(self, u: float) -> int:
        """The integer at `u` in [0, 1]: each has its own stretch, and on a linear scale they are equally long."""
        return min(max(round(from_unit(u, *self._stretch())), self.low), self.high)

    def to_unit(self, value: Value) -> float:
        """Where the middle of `value`'s stretch lies in [0, 1]."""
        return to_unit(float(value), *self._stretch())

    def contains(self, value: Value) -> bool:
        """Whether `value` is an integer within the range."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def _stretch(self) -> tuple[float, float, Scaling]:
        # wider by a half at each end, so that rounding gives the ends their full share
        return self.low - 0.5, self.high + 0.5, resolved(self.scaling, self.low, self.high)

    def __str__(self) -> str:
        return f"{self.name}={self.low}..{self.high}{_told(self.scaling)}"


@final
@dataclass(frozen=True)
class Categorical:
    """One of `values`, which have no order. `InvalidRequest` when there are none, or one is there twice."""

    kind: ClassVar[str] = "categorical"
    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        _check_name(self.name)
        if isinstance(self.values, str):
            raise InvalidRequest(f"range {self.name!r}: got one text, {self.values!r}; give a tuple of values")
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise InvalidRequest(f"range {self.name!r}: there are no values; give at least one")
        for position, value in enumerate(self.values):
            _check_choice(self.name, value)
            if value in self.values[:position]:
                raise InvalidRequest(f"range {self.name!r}: each value may be given once, got {value!r} twice")

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    def from_unit(self, u: float) -> Value:
        """The value at `u` in [0, 1]: each has an equal share."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def to_unit(self, value: Value) -> float:
        """The middle of `value`'s share of [0, 1]."""
        return (self.values.index(value) + 0.5) / len(self.values)

    def contains(self, value: Value) -> bool:
        """Whether `value` is one of the values."""
        return value in self.values

    def __str__(self) -> str:
        return f"{self.name}={','.join(map(str, self.values))}"


Range: TypeAlias = Continuous | Integer | Categorical


def range_to_json(one: Range) -> dict[str, Any]:
    """The range as a JSON object; `range_from_json` reads it back to an equal one."""
    if isinstance(one, Categorical):
        return {"kind": one.kind, "name": one.name, "values": list(one.values)}
    return {"kind": one.kind, "name": one.name, "low": one.low, "high": one.high, "scaling": one.scaling.value}


def range_from_json(document: dict[str, Any]) -> Range:
    """The range that `range_to_json` wrote. `InvalidRequest` for anything else."""
    try:
        if document["kind"] == Categorical.kind:
            return Categorical(document["name"], tuple(document["values"]))
        numbers = {Continuous.kind: Continuous, Integer.kind: Integer}[document["kind"]]
        return numbers(document["name"], document["low"], document["high"], Scaling(document["scaling"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidRequest(f"this is not a stored range: {document!r} ({error!r})") from error


def parse_range(text: str) -> Range:
    """The range written as `text`, in the form at the top of this file. `InvalidRequest` says what is wrong with it."""
    name, equals, body = (part.strip() for part in text.partition("="))
    if not equals:
        raise InvalidRequest(f"range {_shown(text)} has no '='; write {GRAMMAR}")
    _check_name(name)
    if not body:
        raise InvalidRequest(f"range {name!r}: there is nothing after the '='; write {GRAMMAR}")
    if "," in body:
        return _parse_categorical(name, body)
    if ".." in body:
        return _parse_integer(name, body)
    if ":" in body:
        return _parse_continuous(name, body)
    raise InvalidRequest(
        f"range {name!r}: {_shown(body)} is one value; give low:high, low..high or several values, "
        f"or fix {name} as a plain hyperparameter"
    )


def _parse_categorical(name: str, body: str) -> Categorical:
    texts = [text.strip() for text in body.split(",")]
    if "" in texts:
        raise InvalidRequest(f"range {name!r}: there is an empty value in {_shown(body)}; take the extra comma out")
    return Categorical(name, _typed(texts))


def _parse_integer(name: str, body: str) -> Integer:
    ends, scaling = _split_scaling(name, body, separators=0)
    low, high, *rest = ends.split("..")
    if rest:
        raise InvalidRequest(f"range {name!r}: an integer range is low..high, got {_shown(body)}")
    return Integer(name, _integer(name, "low", low), _integer(name, "high", high), scaling)


def _parse_continuous(name: str, body: str) -> Continuous:
    ends, scaling = _split_scaling(name, body, separators=1)
    low, high = ends.split(":")
    return Continuous(name, _number(name, "low", low), _number(name, "high", high), scaling)


def _split_scaling(name: str, body: str, *, separators: int) -> tuple[str, Scaling]:
    """Cut the scaling off the end of `body`, of which the ends themselves have so many colons as `separators`."""
    parts = body.split(":")
    if len(parts) == separators + 1:
        return body, Scaling.AUTO
    if len(parts) > separators + 2:
        raise InvalidRequest(f"range {name!r}: there are too many colons in {_shown(body)}; write {GRAMMAR}")
    word = parts[-1].strip().lower().replace("_", "-")
    if word not in SCALING_WORDS:
        raise InvalidRequest(
            f"range {name!r}: the scaling must be {', '.join(SHORTEST_WORD.values())}, got {_shown(parts[-1])}"
        )
    return ":".join(parts[:-1]), SCALING_WORDS[word]


def _told(scaling: Scaling) -> str:
    """How a range ends that is written with this scaling."""
    return "" if scaling is Scaling.AUTO else f":{SHORTEST_WORD[scaling]}"


_PLAIN_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _typed(texts: list[str]) -> tuple[Value, ...]:
    """Numbers when all of `texts` are; text such as 007 or v1 stays as it was written."""
    if all(_PLAIN_INTEGER.fullmatch(text) and abs(int(text)) <= LARGEST_INTEGER for text in texts):
        return tuple(int(text) for text in texts)
    if all(_PLAIN_NUMBER.fullmatch(text) and math.isfinite(float(text)) for text in texts):
        return tuple(float(text) for text in texts)
    return tuple(texts)


def _integer(name: str, end: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InvalidRequest(
            f"range {name!r}: {end} of an integer range must be an integer, got {_shown(text)}; "
            "a continuous range is written low:high"
        ) from error


def _number(name: str, end: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidRequest(f"range {name!r}: {end} must be a number, got {_shown(text)}") from error


def _shown(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "...")


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not name:
        raise InvalidRequest(f"a range needs the name of a hyperparameter, got {name!r}; write {GRAMMAR}")
    if len(name) > LONGEST_NAME:
        raise InvalidRequest(f"the name of range '{name[:20]}...' may have {LONGEST_NAME} characters, got {len(name)}")
    if not name.isprintable() or any(sign in name for sign in " ="):
        raise InvalidRequest(f"range {name!r}: the name must not hold blanks, '=' or control characters")


def _finite(name: str, end: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"range {name!r}: {end} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidRequest(f"range {name!r}: {end} must be finite, got {number!r}")
    return number


def _check_integer(name: str, end: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(f"range {name!r}: {end} of an integer range must be an integer, got {value!r}")
    if abs(value) > LARGEST_INTEGER:
        raise InvalidRequest(f"range {name!r}: {end} must lie between -2**53 and 2**53, got a larger one")


def _check_choice(name: str, value: object) -> None:
    if not isinstance(value, str | int | float):
        raise InvalidRequest(f"range {name!r}: a value must be text, a number or a boolean, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidRequest(f"range {name!r}: a value must be finite, got {value!r}")


def _check_ends(numbers: Continuous | Integer) -> None:
    name, low, high, scaling = numbers.name, numbers.low, numbers.high, numbers.scaling
    if not isinstance(scaling, Scaling):
        raise InvalidRequest(f"range {name!r}: scaling must be one of {', '.join(map(str, Scaling))}, got {scaling!r}")
    if low > high:
        raise InvalidRequest(f"range {name!r}: low must not exceed high, got low={low!r}, high={high!r}")
    if scaling is Scaling.LOGARITHMIC and low <= 0:
        raise InvalidRequest(f"range {name!r}: logarithmic scaling needs low > 0, got low={low!r}")
    if scaling is Scaling.REVERSE_LOGARITHMIC and isinstance(numbers, Integer):
        raise InvalidRequest(f"range {name!r}: reverse logarithmic scaling is for continuous ranges; use linear or log")
    if scaling is Scaling.REVERSE_LOGARITHMIC and not (low >= 0 and high < 1):
        ends = f"low={low!r}, high={high!r}"
        raise InvalidRequest(f"range {name!r}: reverse logarithmic scaling needs 0 <= low and high < 1, got {ends}")

