"""Tensors turned into a few numbers where they are, without waiting for the device.

`reduce_all` gives for each tensor one vector with its reductions one after the other, on the tensor's device; the step
brings all of them over in one transfer. The results are those of `reductions.reduce`, in float32.

On a processor every tensor is read once, in pieces that stay in its cache, and all sums are carried on in double
precision. The variance comes from the sum of squares unless that would lose digits; then it is computed again from
the distances to the mean.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from tintype.debugger.capture_tensors import flat
from tintype.debugger.reductions import HISTOGRAM_BINS, QUANTILES, REDUCTIONS, reduce

Wanted = tuple[tuple[str, bool], ...]       # (op, absolute)

PIECE = 1 << 17                             # elements that stay in the cache of one core: 512 KiB
SMALL = 1 << 12                             # elements up to which the calls cost more than the numbers
SIZES = {"quantiles": len(QUANTILES), "histogram": HISTOGRAM_BINS + 2}
IN_ONE_PASS = {"min", "max", "mean", "std", "variance", "sum", "l1", "l2", "zeros", "nonfinite"}
SAFE_RATIO = 0.01                           # of the variance to the mean square; below it digits are lost


def size_of(op: str) -> int:
    """How many numbers the result of `op` is."""
    return SIZES.get(op, 1)


def reduce_all(tensors: Sequence[Tensor], wanted: Wanted) -> list[Tensor]:
    """For each tensor a float32 vector of the reductions `wanted`, in their order, on the tensor's device.

    Small tensors of one size (the scales of the normalisations) are done together, a row each.
    """
    results: list[Tensor | None] = [None] * len(tensors)
    small: dict[tuple[torch.device, torch.dtype, int], list[int]] = {}
    values = [as_real(one) for one in tensors]
    for index, one in enumerate(values):
        if one.device.type == "cpu" and one.numel() > SMALL:
            results[index] = _on_processor(one, wanted)
        else:
            key = (one.device, one.dtype, one.numel() if one.numel() <= SMALL else -1 - index)
            small.setdefault(key, []).append(index)
    for indices in small.values():
        one = values[indices[0]]
        together = one[None] if len(indices) == 1 else torch.stack([values[index] for index in indices])
        rows = _by_rows(together, wanted)
        for index, row in zip(indices, rows.unbind(0), strict=True):
            results[index] = row
    return [one for one in results if one is not None]


def as_real(tensor: Tensor) -> Tensor:
    """The elements as float32 or float64, flat; of complex numbers the magnitudes."""
    values = flat(tensor)
    if values.is_complex():
        return values.abs()
    if values.dtype in (torch.float32, torch.float64):
        return values
    wide = not values.is_floating_point() and values.element_size() > 2
    return values.to(torch.float64 if wide else torch.float32)


def _on_processor(values: Tensor, wanted: Wanted) -> Tensor:
    results: list[float] = []
    sums = _Sums(values, wanted)
    for op, absolute in wanted:
        if op in IN_ONE_PASS:
            results.append(sums.result(op, absolute))
        else:
            results += reduce(values.numpy(), op, absolute=absolute).reshape(-1).tolist()
    with np.errstate(over="ignore"):            # what is too large for a float32 is infinite in it
        return torch.from_numpy(np.array(results, np.float64).astype(np.float32))


@final
class _Sums:
    """What one pass over the values gathers, and the reductions that follow from it."""

    def __init__(self, values: Tensor, wanted: Wanted) -> None:
        self.values = values
        self.count = values.numel()
        plain, absolute = {op for op, of_abs in wanted if not of_abs}, {op for op, of_abs in wanted if of_abs}
        self.low, self.high, self.low_absolute = math.inf, -math.inf, math.inf
        self.sum = self.squares = self.sum_absolute = 0.0
        self.zeros = 0
        bounds = bool({"min", "max"} & (plain | absolute))
        spread = bool({"std", "variance"} & (plain | absolute)) or "l2" in plain | absolute
        magnitudes = "l1" in plain | absolute or bool({"mean", "sum", "std", "variance"} & absolute)
        least = "min" in absolute
        zeros = "zeros" in plain | absolute
        scratch = torch.empty(min(PIECE, self.count), dtype=values.dtype) if magnitudes or least or zeros else None
        lows: list[Tensor] = []
        highs: list[Tensor] = []
        leasts: list[Tensor] = []
        for piece in _pieces(values):
            if bounds:
                low, high = piece.aminmax()
                lows.append(low)
                highs.append(high)
            self.sum += piece.sum().item()
            if spread:
                self.squares += torch.dot(piece, piece).item()
            if scratch is not None:
                room = scratch[: piece.numel()]
                if magnitudes or least:
                    torch.abs(piece, out=room)
                    self.sum_absolute += room.sum().item() if magnitudes else 0.0
                    if least:
                        leasts.append(room.amin())
                if zeros:
                    self.zeros += int(torch.eq(piece, 0, out=room).sum().item())
        if bounds:
            self.low, self.high = _extreme(lows, torch.amin), _extreme(highs, torch.amax)
        if leasts:
            self.low_absolute = _extreme(leasts, torch.amin)

    def result(self, op: str, absolute: bool) -> float:
        """One reduction; `op` is one of `IN_ONE_PASS`."""
        return self._RESULTS[op](self, absolute)

    def _minimum(self, absolute: bool) -> float:
        return self.low_absolute if absolute else self.low

    def _maximum(self, absolute: bool) -> float:
        return max(abs(self.low), abs(self.high)) if absolute and self.high == self.high else self.high

    def _total(self, absolute: bool) -> float:
        return self.sum_absolute if absolute else self.sum

    def _variance(self, absolute: bool) -> float:
        if self.count < 2:
            return math.nan
        mean = self._total(absolute) / self.count
        spread = self.squares - self.count * mean * mean
        if not spread > SAFE_RATIO * self.squares:              # also when it is NaN
            spread = 0.0
            for piece in _pieces(self.values):
                distances = (piece.abs() if absolute else piece) - mean
                spread += torch.dot(distances, distances).item()
        return spread / (self.count - 1)

    def _nonfinite(self, absolute: bool) -> float:
        if math.isfinite(self.sum):
            return 0.0                                          # one of them would have spoilt the sum
        return 1.0 - torch.isfinite(self.values).count_nonzero().item() / self.count

    _RESULTS: dict[str, Callable[[_Sums, bool], float]] = {     # noqa: RUF012  a table, not state
        "min": _minimum,
        "max": _maximum,
        "mean": lambda self, absolute: self._total(absolute) / self.count,
        "sum": _total,
        "variance": _variance,
        "std": lambda self, absolute: math.sqrt(self._variance(absolute)),
        "l1": lambda self, absolute: self.sum_absolute,
        "l2": lambda self, absolute: math.sqrt(self.squares),
        "zeros": lambda self, absolute: self.zeros / self.count,
        "nonfinite": _nonfinite,
    }


def _pieces(values: Tensor) -> Sequence[Tensor]:
    return values.split(PIECE) if values.numel() > PIECE else (values,)


def _extreme(found: list[Tensor], of: Callable[[Tensor], Tensor]) -> float:
    """The least or the largest of the pieces'; NaN when one is."""
    return (found[0] if len(found) == 1 else of(torch.stack(found))).item()


def _by_rows(rows: Tensor, wanted: Wanted) -> Tensor:
    """(tensors, elements) float -> (tensors, numbers) float32, without waiting for the device."""
    if not rows.shape[1]:
        nothing = tuple(REDUCTIONS[op].of_nothing for op, _ in wanted for _ in range(size_of(op)))
        return _constant(nothing, rows.device).float().expand(rows.shape[0], -1)
    if rows.shape[1] <= SMALL and rows.device.type == "cpu":
        rows = rows.double()
    magnitudes = rows.abs() if any(absolute for _, absolute in wanted) else rows
    parts = [_ROWS[op](magnitudes if absolute else rows).float() for op, absolute in wanted]
    return torch.cat([one if one.ndim == 2 else one[:, None] for one in parts], dim=1)


@functools.cache
def _constant(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    """float64, brought to its device once: that is waited for."""
    with torch.inference_mode(False):
        return torch.tensor(numbers, dtype=torch.float64, device=device)


def _variance(rows: Tensor) -> Tensor:
    return torch.var(rows, dim=1) if rows.shape[1] > 1 else torch.full_like(rows[:, 0], math.nan)


def _quantiles(rows: Tensor) -> Tensor:
    finite = torch.isfinite(rows)
    ordered = torch.where(finite, rows, math.inf).sort(dim=1).values    # what is not finite comes last
    last = finite.sum(dim=1, keepdim=True).sub(1).clamp(min=0)
    places = _constant(QUANTILES, rows.device) * last
    below = places.floor().long()
    lower, upper = (ordered.gather(1, index).double() for index in (below, torch.minimum(below + 1, last)))
    return torch.where(finite.any(dim=1, keepdim=True), torch.lerp(lower, upper, places - below), math.nan)


def _histogram(rows: Tensor) -> Tensor:
    finite = torch.isfinite(rows)
    some = finite.any(dim=1, keepdim=True)
    low = torch.where(some, torch.where(finite, rows, math.inf).amin(dim=1, keepdim=True), 0.0)
    high = torch.where(some, torch.where(finite, rows, -math.inf).amax(dim=1, keepdim=True), 0.0)
    width = torch.where(high > low, high - low, 1.0) / HISTOGRAM_BINS
    bins = torch.where(finite, (rows - low) / width, 0.0).long().clamp(0, HISTOGRAM_BINS - 1)
    counts = torch.zeros(rows.shape[0], HISTOGRAM_BINS, device=rows.device, dtype=rows.dtype)
    counts.scatter_add_(1, bins, finite.to(rows.dtype))                 # unlike histc it waits for nobody
    return torch.cat([low, high, counts], dim=1)


_ROWS: dict[str, Callable[[Tensor], Tensor]] = {
    "min": lambda rows: torch.amin(rows, dim=1),
    "max": lambda rows: torch.amax(rows, dim=1),
    "mean": lambda rows: torch.mean(rows, dim=1),
    "std": lambda rows: _variance(rows).sqrt(),
    "variance": _variance,
    "sum": lambda rows: torch.sum(rows, dim=1),
    "prod": lambda rows: torch.prod(rows, dim=1),
    "l1": lambda rows: torch.linalg.vector_norm(rows, 1, dim=1),
    "l2": lambda rows: torch.linalg.vector_norm(rows, 2, dim=1),
    "quantiles": _quantiles,
    "histogram": _histogram,
    "zeros": lambda rows: (rows == 0).double().mean(dim=1),
    "nonfinite": lambda rows: 1.0 - torch.isfinite(rows).double().mean(dim=1),
}
