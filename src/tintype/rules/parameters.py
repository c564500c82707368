"""The parameters of a rule: a frozen dataclass whose fields carry their range and meaning.

SageMaker sends every parameter as a string; `parse_parameters` reads those, and plain Python values as well.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from tintype.errors import InvalidRequest, not_found

TRUE = {"true", "1", "yes", "on"}
FALSE = {"false", "0", "no", "off"}
NONE = {"", "none", "null"}
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "words with commas"}
COMMA_OUTSIDE_BRACKETS = re.compile(r",(?![^{\[(]*[}\])])")


def parameter(
    default: Any, meaning: str, *, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    """A field of a `Parameters` class. `low` and `high` include their ends; `choices` are the words allowed."""
    return field(default=default, metadata={"meaning": meaning, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class Parameters:
    """What a rule can be told. Subclasses declare fields with `parameter`; making one checks every value."""

    def __post_init__(self) -> None:
        for one in describe(type(self)):
            one.check(getattr(self, one.name), type(self).__qualname__.split(".", maxsplit=1)[0])


@dataclass(frozen=True)
class Description:
    """One parameter as documentation and messages need it."""

    name: str
    kind: type                          # bool, int, float, str or tuple (of strings)
    optional: bool                      # None is allowed
    default: Any
    meaning: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]

    @property
    def range(self) -> str:
        """The values allowed, in words."""
        if self.choices:
            return ", ".join(self.choices)
        said = WORDS[self.kind]
        if self.low is not None and self.high is not None:
            said += f" from {self.low:g} to {self.high:g}"
        elif self.low is not None:
            said += f" of at least {self.low:g}"
        return said + (", or none" if self.optional else "")

    def check(self, value: Any, owner: str) -> None:
        """`InvalidRequest` when `value` is none that this parameter can have."""
        if value is None and self.optional:
            return
        right = isinstance(value, (int, float)) if self.kind is float else isinstance(value, self.kind)
        if self.kind is not bool and isinstance(value, bool):
            right = False
        if right and self.kind is int and not isinstance(value, int):
            right = False
        given: Any = value
        if right and self.kind in (int, float):
            right = not math.isnan(given) and not self._outside(given)
        if right and self.choices:
            right = value in self.choices
        if not right:
            raise InvalidRequest(f"{owner}: {self.name} must be {self.range}, got {value!r}")
        if self.name.endswith("regex"):
            _check_regexes(owner, self.name, (given,) if isinstance(given, str) else given)

    def _outside(self, value: float) -> bool:
        return (self.low is not None and value < self.low) or (self.high is not None and value > self.high)

    def read(self, text: Any, owner: str) -> Any:
        """The value that `text`, as SageMaker sends it, stands for; anything but a string is taken as it is."""
        if isinstance(text, (list, tuple)) and self.kind is tuple:
            return tuple(str(word) for word in text)
        if not isinstance(text, str):
            return float(text) if self.kind is float and isinstance(text, int) and not isinstance(text, bool) else text
        word = text.strip()
        if self.optional and word.lower() in NONE:
            return None
        try:
            return self._converted(word)
        except ValueError as error:
            raise InvalidRequest(f"{owner}: {self.name} must be {self.range}, got {text!r}") from error

    def _converted(self, word: str) -> Any:
        if self.kind is bool:
            if word.lower() not in TRUE | FALSE:
                raise ValueError(word)
            return word.lower() in TRUE
        if self.kind is tuple:
            return tuple(part.strip() for part in COMMA_OUTSIDE_BRACKETS.split(word) if part.strip())
        if self.kind is int:
            number = float(word)                    # "10.0" is a whole number too
            if not number.is_integer():
                raise ValueError(word)
            return int(number)
        return float(word) if self.kind is float else word


P = TypeVar("P", bound=Parameters)


def describe(cls: type[Parameters]) -> list[Description]:
    """The parameters that `cls` declares, in order."""
    hints = get_type_hints(cls)
    found = []
    for one in fields(cls):
        kind, optional = _kind(hints[one.name])
        found.append(Description(one.name, kind, optional, one.default, **one.metadata))
    return found


def parse_parameters(cls: type[P], given: Mapping[str, Any], owner: str) -> P:
    """`cls` from strings or values by name. `InvalidRequest` names the parameter, its range and what arrived."""
    known = {one.name: one for one in describe(cls)}
    for name in given:
        if name not in known:
            if not known:
                raise InvalidRequest(f"{owner} takes no parameters, got {name!r}")
            raise InvalidRequest(f"{owner}: {not_found('parameter', name, known)}")
    values = {name: known[name].read(text, owner) for name, text in given.items()}
    for name, value in values.items():
        known[name].check(value, owner)
    return cls(**values)


def _kind(hint: Any) -> tuple[type, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        inner = [one for one in get_args(hint) if one is not type(None)]
        return _kind(inner[0])[0], True
    return (get_origin(hint) or hint), False


def _check_regexes(owner: str, name: str, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise InvalidRequest(f"{owner}: {name} {pattern!r} is no regular expression: {error}") from error
