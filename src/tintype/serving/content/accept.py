"""Which answer a caller wants: the Accept header, read as RFC 9110 says.

    application/json                    {"predictions": [{"label", "index", "probability", "top": [...]}, ...]}
    application/json;format=list        one list of scores per picture, as SageMaker's predictors expect
    application/json;format=vector      the scores of a picture, as SageMaker's built-in algorithm; of several, lists
    text/csv                            label,index,probability with a header line
    text/csv;format=list                the scores alone, as SageMaker's containers write them
    application/x-npy                   the scores as a float32 array (n, classes)

More parameters: `top=K` (in JSON objects: how many classes, 5 by default) and `scores=probabilities|logits` (in lists
and arrays; probabilities by default). `q` is honoured. No header, or `*/*`, means the server's default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, final

from tintype.errors import InvalidRequest, NotAcceptable

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
MEDIA_TYPES = (JSON, CSV, NPY)          # in the server's order of preference, for application/* and the like
MAX_TOP = 10_000
ECHOED = 100                            # characters of a header, in what is said about it
REMEMBERED = 64                         # headers; callers send the same one again and again


class Layout(StrEnum):
    """How the answer is arranged."""

    PREDICTIONS = "predictions"
    LIST = "list"
    VECTOR = "vector"


class Scores(StrEnum):
    """Which numbers lists and arrays hold."""

    PROBABILITIES = "probabilities"
    LOGITS = "logits"


@final
@dataclass(frozen=True)
class AnswerFormat:
    """One way to write predictions down."""

    media_type: str = JSON
    layout: Layout = Layout.PREDICTIONS
    scores: Scores = Scores.PROBABILITIES
    top: int = 5

    @classmethod
    def parse(cls, text: str) -> AnswerFormat:
        """The format that one media type with parameters names, e.g. "application/json;top=3"."""
        wanted = _media_range(text)
        if wanted.media_type not in MEDIA_TYPES:
            raise NotAcceptable(f"answers are not written as {wanted.media_type!r}; ask for {', '.join(MEDIA_TYPES)}")
        return cls(wanted.media_type)._with(wanted.parameters)

    def _with(self, parameters: Mapping[str, str]) -> AnswerFormat:
        changed = self
        for name, value in parameters.items():
            if name not in PARAMETERS:
                unknown = f"the Accept parameter {name[:ECHOED]!r} is unknown"
                raise InvalidRequest(f"{unknown}; there are {', '.join(PARAMETERS)}")
            changed = PARAMETERS[name](changed, value)
        return changed


@final
@dataclass(frozen=True)
class _MediaRange:
    media_type: str                 # "image/png", "image/*", "*/*"
    parameters: Mapping[str, str]
    quality: float                  # 0 to 1; 0 means anything but this

    def matches(self, media_type: str) -> bool:
        kind = self.media_type.removesuffix("*")
        return self.media_type in ("*/*", media_type) or (kind.endswith("/") and media_type.startswith(kind))


@lru_cache(maxsize=REMEMBERED)
def negotiate(header: str | None, default: AnswerFormat) -> AnswerFormat:
    """The best format that the caller reads. `NotAcceptable` (406) when there is none."""
    ranges = [_media_range(part) for part in (header or "*/*").split(",") if part.strip()] or [_media_range("*/*")]
    refused = {one.media_type for one in ranges if one.quality == 0}
    offered = [default.media_type, *(kind for kind in MEDIA_TYPES if kind != default.media_type)]
    for wanted in sorted(ranges, key=lambda one: -one.quality):         # stable: the caller's order among equals
        for media_type in offered:
            if wanted.quality and wanted.matches(media_type) and media_type not in refused:
                start = default if media_type == default.media_type else replace(default, media_type=media_type)
                own = default.layout is Layout.VECTOR and media_type == default.media_type      # it knows no other
                return (start if own or "*" in wanted.media_type else AnswerFormat(media_type))._with(wanted.parameters)
    raise NotAcceptable(f"answers are not written as {(header or '')[:ECHOED]!r}; ask for {', '.join(MEDIA_TYPES)}")


def _media_range(text: str) -> _MediaRange:
    media_type, *rest = (part.strip() for part in text.split(";"))
    pairs = [part.partition("=") for part in rest if part]
    parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError as error:
        raise InvalidRequest(f"the quality in {text.strip()[:ECHOED]!r} is not a number from 0 to 1") from error
    if not 0 <= quality <= 1:
        raise InvalidRequest(f"the quality in {text.strip()[:ECHOED]!r} is not a number from 0 to 1")
    return _MediaRange(media_type.lower(), parameters, quality)


def _set_layout(wanted: AnswerFormat, value: str) -> AnswerFormat:
    return replace(wanted, layout=_member(Layout, "format", value))


def _set_scores(wanted: AnswerFormat, value: str) -> AnswerFormat:
    return replace(wanted, scores=_member(Scores, "scores", value))


def _set_top(wanted: AnswerFormat, value: str) -> AnswerFormat:
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MAX_TOP):
        raise InvalidRequest(f"top must be a whole number from 1 to {MAX_TOP}, got {value[:ECHOED]!r}")
    return replace(wanted, top=int(value))


def _set_charset(wanted: AnswerFormat, value: str) -> AnswerFormat:
    if value.lower() not in ("utf-8", "utf8"):
        raise NotAcceptable(f"answers are written in UTF-8, not in {value[:ECHOED]!r}")
    return wanted


def _member(kind: Any, name: str, value: str) -> Any:
    if value.lower() not in [one.value for one in kind]:
        raise InvalidRequest(f"{name} must be one of {', '.join(kind)}, got {value[:ECHOED]!r}")
    return kind(value.lower())


PARAMETERS: dict[str, Callable[[AnswerFormat, str], AnswerFormat]] = {
    "format": _set_layout,
    "scores": _set_scores,
    "top": _set_top,
    "charset": _set_charset,
}
