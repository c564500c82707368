"""Statistics as SageMaker's profiler rules write them into their files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tintype.profiler.breakdown import break_down
from tintype.profiler.readers import JobProfile, Table

Numbers = NDArray[Any]
BINS = 100
LEAST_SAMPLES = 20                      # with fewer nothing is judged: ten seconds at the default interval
SHORTEST_LOOP = 5.0                     # seconds; of a shorter loop the whole job is judged


def box(values: Numbers) -> dict[str, float]:
    """Quartiles, the 95th percentile and the whiskers of a box plot."""
    p25, p50, p75, p95 = (float(one) for one in np.percentile(values, (25, 50, 75, 95)))
    reach = 1.5 * (p75 - p25)
    upper, lower = min(p75 + reach, float(values.max())), max(p25 - reach, float(values.min()))
    return {"p25": p25, "p50": p50, "p75": p75, "p95": p95, "upper": upper, "lower": lower}


def summary(values: Numbers) -> dict[str, float]:
    """Maximum, percentiles and minimum, with two decimals."""
    p99, p95, p50 = np.percentile(values, (99, 95, 50))
    figures = (values.max(), p99, p95, p50, values.min())
    return {name: round(float(one), 2) for name, one in zip(("max", "p99", "p95", "p50", "min"), figures, strict=True)}


def histogram(values: Numbers) -> dict[str, list[float]]:
    """Counts in a hundred bins and their edges; SageMaker calls the counts "probs"."""
    counts, edges = np.histogram(values, BINS)
    return {"probs": [int(one) for one in counts], "binedges": [float(one) for one in edges]}


def sample_means(table: Table) -> Numbers:
    """The mean of each sample over its names, (samples,); NaN where it has none."""
    counts = np.isfinite(table.values).sum(axis=1)
    return np.where(counts > 0, np.nansum(table.values, axis=1) / np.maximum(1, counts), np.nan)


def processor_use(job: JobProfile, node: str, cores: Table, own: Table) -> Numbers:
    """Per cent of the processors in use in each sample; of those that the job may use, where it may not use all."""
    if not own or not job.has_part_of(node):
        return sample_means(cores)
    return np.minimum(100.0, sample_means(own) / job.usable_cores(node))


def percentile(values: Numbers, percent: float) -> float:
    """Of the finite values; NaN when there are none."""
    finite = values[np.isfinite(values)]
    return float(np.percentile(finite, percent)) if len(finite) else float("nan")


def looks(job: JobProfile, scan_interval_us: int) -> Iterator[tuple[float, float]]:
    """(start, end) of each slice of a profile that SageMaker's rules look at, in seconds since the epoch."""
    extent = job.extent
    if extent is None:
        return
    length = scan_interval_us / 1e6
    for number in range(int((extent[1] - extent[0]) / length) + 1):
        yield extent[0] + number * length, extent[0] + (number + 1) * length


def in_loop(job: JobProfile, table: Table) -> Table:
    """The samples taken during the training loop: initialization and end are no part of how it runs."""
    times = break_down(job)
    if times is None or times.loop < SHORTEST_LOOP:
        return table
    inside = (table.times >= times.loop_start) & (table.times <= times.loop_end)
    return Table(table.times[inside], table.names, table.values[inside]) if inside.sum() >= LEAST_SAMPLES else table


def enough(patience: int) -> int:
    """Samples before which we say nothing: SageMaker's patience, where it is shorter than ours."""
    return min(patience, LEAST_SAMPLES)


def too_few(count: int, needed: int, of_what: str = "samples") -> str:
    """In words: how much more there must be."""
    return f"{needed} {of_what} are needed, and {count} were recorded"
