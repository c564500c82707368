"""Numbers that stand for a whole tensor: their names, how they are spelt in files, and how NumPy computes them.

The first nine are smdebug's; the last four are ours. Each may be taken of the values or of the absolute values.
All are defined as PyTorch defines them: `std` and `variance` divide by n - 1, and the norms are taken over the
elements whatever the shape is. (smdebug's own reader divides by n and takes the spectral norm of a matrix when it
has to compute what was not stored.)

    name       of                                     shape of the result
    min … l2   one number                             ()
    quantiles  the values at `QUANTILES`, NaN and infinity left out       (9,)
    histogram  lowest and highest finite value, then the counts in `HISTOGRAM_BINS` equal bins between
               (all in the first when they are equal)         (66,)
    zeros      the share of elements that are exactly 0, from 0 to 1      ()
    nonfinite  the share of elements that are NaN or infinite, 0 to 1     ()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tintype.errors import InvalidRequest

QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
HISTOGRAM_BINS = 64

SMDEBUG_PREFIX = "smdebug/reductions/"
OWN_PREFIX = "tintype/reductions/"
ABSOLUTE = "abs_"

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Reduction:
    """One way of reducing: `token` is its name in SageMaker's JSON; `ours` when smdebug does not know it."""

    name: str
    token: str
    compute: Callable[[Array], Any]     # of a flat, non-empty array of float32 or float64
    of_nothing: float                   # the result for a tensor without elements
    ours: bool = False


def _finite(values: Array) -> Array:
    return values[np.isfinite(values)]


def _quantiles(values: Array) -> Array:
    finite = _finite(values)
    return np.quantile(finite, QUANTILES) if finite.size else np.full(len(QUANTILES), np.nan)


def _histogram(values: Array) -> Array:
    halves = _finite(values).astype(np.float64) / 2         # the span of two numbers may be more than there is
    low, high = (halves.min(), halves.max()) if halves.size else (0.0, 0.0)
    places = (halves - low) * (HISTOGRAM_BINS / (high - low) if high > low else 0.0)
    places = np.where(np.isfinite(places), places, 0).astype(np.int64)
    counts = np.bincount(places.clip(0, HISTOGRAM_BINS - 1), minlength=HISTOGRAM_BINS)
    return np.concatenate([[2 * low, 2 * high], counts])


def _spread(values: Array) -> float:
    return float(np.var(values, ddof=1, dtype=np.float64)) if values.size > 1 else np.nan


NAN = float("nan")
REDUCTIONS: dict[str, Reduction] = {
    one.name: one
    for one in (
        Reduction("min", "min", np.min, NAN),
        Reduction("max", "max", np.max, NAN),
        Reduction("mean", "mean", lambda values: np.mean(values, dtype=np.float64), NAN),
        Reduction("std", "std", lambda values: np.sqrt(_spread(values)), NAN),
        Reduction("variance", "variance", _spread, NAN),
        Reduction("sum", "sum", lambda values: np.sum(values, dtype=np.float64), 0.0),
        Reduction("prod", "prod", lambda values: np.prod(values, dtype=np.float64), 1.0),
        Reduction("l1", "l1_norm", lambda values: np.sum(np.abs(values), dtype=np.float64), 0.0),
        Reduction("l2", "l2_norm", lambda values: np.sqrt(np.sum(np.square(values, dtype=np.float64))), 0.0),
        Reduction("quantiles", "quantiles", _quantiles, NAN, ours=True),
        Reduction("histogram", "histogram", _histogram, NAN, ours=True),
        Reduction("zeros", "zeros", lambda values: np.mean(values == 0), NAN, ours=True),
        Reduction("nonfinite", "nonfinite", lambda values: 1.0 - np.mean(np.isfinite(values)), NAN, ours=True),
    )
}
BY_TOKEN = {one.token: one.name for one in REDUCTIONS.values()} | {name: name for name in REDUCTIONS}


def reduce(array: Array, op: str, *, absolute: bool = False) -> Array:
    """The reduction `op` of `array` (any shape and number type; of a complex one, of the magnitudes), as float64.

    Raises `InvalidRequest` for an unknown reduction and for an array of strings.
    """
    if op not in REDUCTIONS:
        raise InvalidRequest(f"there is no reduction {op!r}; there are {', '.join(REDUCTIONS)}")
    values = array.reshape(-1)
    if values.dtype.kind not in "biufc":
        raise InvalidRequest(f"a tensor of {array.dtype} cannot be reduced to its {op}; only numbers can")
    if values.dtype.kind == "c":
        values = np.abs(values)
    if values.dtype.kind != "f" or values.dtype.itemsize < 4:
        values = values.astype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    if absolute:
        values = np.abs(values)
    if not values.size:
        return np.asarray(REDUCTIONS[op].of_nothing)
    with np.errstate(all="ignore"):
        return np.asarray(REDUCTIONS[op].compute(values), dtype=np.float64)


def reduction_tag(tensor: str, op: str, *, absolute: bool = False) -> str:
    """The name under which the log keeps the reduction `op` of `tensor`."""
    prefix = OWN_PREFIX if REDUCTIONS[op].ours else SMDEBUG_PREFIX
    return f"{prefix}{ABSOLUTE if absolute else ''}{op}/{tensor}"


def read_reduction_tag(tag: str) -> tuple[str, str, bool] | None:
    """(tensor, op, absolute) when `tag` names a reduction; None for the name of a tensor."""
    for prefix in (SMDEBUG_PREFIX, OWN_PREFIX):
        if tag.startswith(prefix):
            op, separator, tensor = tag.removeprefix(prefix).partition("/")
            return (tensor, op.removeprefix(ABSOLUTE), op.startswith(ABSOLUTE)) if separator else None
    return None


@dataclass(frozen=True)
class Reductions:
    """What is kept of a tensor: reductions of its values and of its absolute values, itself, its shape.

    Raises `InvalidRequest` naming an unknown reduction.
    """

    ops: frozenset[str] = frozenset()
    absolute: frozenset[str] = frozenset()
    keep_raw: bool = False
    keep_shape: bool = False

    def __post_init__(self) -> None:
        for op in self.ops | self.absolute:
            if op not in REDUCTIONS:
                raise InvalidRequest(f"there is no reduction {op!r}; there are {', '.join(REDUCTIONS)}")

    @staticmethod
    def parse(tokens: str | Iterable[str], *, keep_raw: bool = False, keep_shape: bool = False) -> Reductions:
        """Read SageMaker's spelling, such as `"mean,abs_max,l2_norm"`; ours (`zeros`, ...) are spelt as named."""
        listed = tokens.split(",") if isinstance(tokens, str) else list(tokens)
        given = [one.strip() for one in listed if one.strip()]
        unknown = [one for one in given if one.removeprefix(ABSOLUTE) not in BY_TOKEN]
        if unknown:
            allowed = ", ".join(one.token for one in REDUCTIONS.values())
            raise InvalidRequest(f"reductions: {unknown[0]!r} is not one of {allowed} (each also with abs_ before it)")
        return Reductions(
            ops=frozenset(BY_TOKEN[one] for one in given if not one.startswith(ABSOLUTE)),
            absolute=frozenset(BY_TOKEN[one.removeprefix(ABSOLUTE)] for one in given if one.startswith(ABSOLUTE)),
            keep_raw=keep_raw,
            keep_shape=keep_shape,
        )

    def each(self) -> list[tuple[str, bool]]:
        """(op, absolute) of every reduction, in the order of the table."""
        return [(op, False) for op in REDUCTIONS if op in self.ops] + [
            (op, True) for op in REDUCTIONS if op in self.absolute
        ]

    def tokens(self, *, ours: bool) -> str:
        """SageMaker's spelling of smdebug's reductions, or of ours."""
        spelt = [(ABSOLUTE if absolute else "") + REDUCTIONS[op].token
                 for op, absolute in self.each() if REDUCTIONS[op].ours is ours]  # fmt: skip
        return ",".join(spelt)

    def __or__(self, other: Reductions) -> Reductions:
        return Reductions(
            self.ops | other.ops,
            self.absolute | other.absolute,
            self.keep_raw or other.keep_raw,
            self.keep_shape or other.keep_shape,
        )
