"""The sections of the profiler's report about the machine: percentiles and timelines of everything it measures."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from tintype.profiler.readers import JobProfile
from tintype.profiler.readers import Table as Samples
from tintype.profiler.system_metrics import (
    ALGORITHM,
    CPU_THROTTLED,
    CPU_UTILIZATION,
    DISK_BUSY,
    GPU_MEMORY,
    GPU_POWER,
    GPU_UTILIZATION,
    IO_WAIT,
    MEMORY_USED,
    PROCESS_CPU,
    PROCESS_MEMORY,
    READ_BYTES,
    TOTAL_CPU,
    WRITE_BYTES,
)
from tintype.reports.figures.times import TimeSeries, over_time
from tintype.reports.profiler_parts import Figure, Lacking, Section, Table, lacking
from tintype.reports.wording import number

MEGABYTE, LITTLE = 1e6, 0.1            # below so many megabytes a figure is in kilobytes
MUCH = 25.0                             # per cent of the processors that other programs use
FULL = 90.0                             # per cent of the processors, from which on programs take turns
NO_METRICS = "No system metrics were recorded; the sampler runs beside a job that is profiled."
NO_QUOTA = "No quota of processors was measured: the job has none, or the kernel does not count it."
OURS = "Only Tintype's own sampler measures this, and this profile has none of it."


@final
class Line(NamedTuple):
    """One line of a figure: which numbers, and how they become one for each sample."""

    name: str
    dimension: str
    series: str = ""
    total: bool = False                 # the sum over the names instead of the mean
    divisor: float = 1.0


@final
class Plan(NamedTuple):
    """One figure."""

    title: str
    quantity: str
    lines: tuple[Line, ...]
    ceiling: float | None
    why_not: str


PLANS = (
    Plan("Processors", "per cent", (
        Line("all cores", CPU_UTILIZATION), Line("waiting for a disk", IO_WAIT)), 100.0, NO_METRICS),
    Plan("Processors used by the job", "per cent of one core", (Line("the job", PROCESS_CPU),), None, OURS),
    Plan("Held back by a quota", "per cent of its periods", (Line("the job", CPU_THROTTLED),), 100.0, NO_QUOTA),
    Plan("Memory", "per cent", (Line("in use", "", MEMORY_USED),), 100.0, NO_METRICS),
    Plan("Memory of the job's processes", "MB", (Line("the job", PROCESS_MEMORY, divisor=MEGABYTE),), None, OURS),
    Plan("Disks", "MB per second", (
        Line("read", "", READ_BYTES, divisor=MEGABYTE), Line("written", "", WRITE_BYTES, divisor=MEGABYTE)), None,
        "No traffic of disks was recorded."),
    Plan("Disk busy", "per cent", (Line("busiest disk", DISK_BUSY),), 100.0, OURS),
    Plan("Network", "MB per second", (Line("received and sent", ALGORITHM, total=True, divisor=MEGABYTE),), None,
         "No traffic of the network was recorded."),
    Plan("GPU", "per cent", (Line("all GPUs", GPU_UTILIZATION),), 100.0, ""),
    Plan("GPU memory", "per cent", (Line("all GPUs", GPU_MEMORY),), 100.0, ""),
    Plan("GPU power", "watts", (Line("all GPUs", GPU_POWER, total=True),), None, ""),
)  # fmt: skip


def utilisation(job: JobProfile) -> Section:
    """Percentiles of each node, and a timeline for each thing that is measured."""
    nodes = job.system().nodes
    figures = [figure for node in nodes or ("",) for figure in (_figure(job, plan, node, nodes) for plan in PLANS)]
    rows = [row for node in nodes for plan in PLANS for row in _rows(job, plan, node)]
    heads = ("Node", "Measure", "Maximum", "99 %", "95 %", "Median", "Minimum")
    tables = (Table("Percentiles", heads, tuple(rows), frozenset(range(2, 7))),) if rows else ()
    return Section("utilisation", "Utilisation", _readings(job), tuple(figures), tables)


def no_gpu(job: JobProfile) -> str:
    """Why there is nothing of a GPU, as a sentence."""
    notes = [one.gpu_note for one in job.machines.values() if one.gpu_note]
    note = notes[0] if notes else "this profile has no readings of a GPU"
    return f"{note[:1].upper()}{note[1:]}."


def _readings(job: JobProfile) -> tuple[str, ...]:
    said = []
    for node in job.system().nodes:
        cores, memory = job.system().table(CPU_UTILIZATION, node), job.system().table("", node, MEMORY_USED)
        if cores:
            cpu = np.percentile(cores.mean(), 50)
            words = f"On {node} the processors ({len(cores.names)}) were busy {cpu:.0f} % of the time in the median"
            said.append(f"{words}; memory was never above {np.nanmax(memory.values):.0f} %." if memory else f"{words}.")
        said += [_part(job, node), shared(job, node)]
    return tuple(filter(None, said)) or (NO_METRICS,)


def _part(job: JobProfile, node: str) -> str:
    """How a job used the part of the processors that it may use, in a sentence; "" when it may use all."""
    own, held = job.system().table(PROCESS_CPU, node), job.system().table(CPU_THROTTLED, node)
    if not job.has_part_of(node) or not own:
        return ""
    cores = job.usable_cores(node)
    use = min(100.0, float(np.nanmedian(own.values)) / cores)
    words = f"The job may use {cores:g} of the {job.cores(node)}, and used {use:.0f} % of that in the median"
    share = float(np.nanmean(held.values)) if held else 0.0
    return f"{words}; its quota held it back in {share:.0f} % of its periods." if share >= 1 else f"{words}."


def shared(job: JobProfile, node: str) -> str:
    """That other programs took much of a node's processors from the job, in a sentence; "" when they did not."""
    total, own = job.system().together(node, TOTAL_CPU, PROCESS_CPU)
    cores = job.cores(node)
    if not total.names or not own.names or not cores:
        return ""
    if job.has_part_of(node) and float(np.nanmedian(total.values)) < FULL:       # what it may use is there for it
        return ""
    job_share = own.values[:, 0] / cores
    others = float(np.nanmedian(np.maximum(0.0, total.values[:, 0] - job_share)))
    if others < MUCH:
        return ""
    return (
        f"Other programs used {others:.0f} % of the processors of {node} in the median, and the job "
        f"{np.nanmedian(job_share):.0f} %: alone on the machine it would be faster."
    )


def _values(table: Samples, line: Line) -> NDArray[Any]:
    if line.total:
        return np.nansum(table.values, axis=1) / line.divisor
    counts = np.isfinite(table.values).sum(axis=1)
    return np.where(counts > 0, np.nansum(table.values, axis=1) / np.maximum(1, counts), np.nan) / line.divisor


def _figure(job: JobProfile, plan: Plan, node: str, nodes: tuple[str, ...]) -> Figure | Lacking:
    title = f"{plan.title}, {node}" if len(nodes) > 1 else plan.title
    first, last = job.extent or (0.0, 0.0)
    found = [(line, job.system().table(line.dimension, node, line.series)) for line in plan.lines]
    series = [TimeSeries(line.name, table.times - first, _values(table, line)) for line, table in found if table]
    if len(plan.lines) == 1 and series and 1 < len(found[0][1].names) <= 4 and not plan.lines[0].total:
        table = found[0][1]
        series = [TimeSeries(name, table.times - first, table.values[:, n]) for n, name in enumerate(table.names)]
    if not series:
        return lacking(title, plan.why_not or no_gpu(job))
    quantity = plan.quantity
    if quantity.startswith("MB") and max(float(np.nanmax(one.values)) for one in series) < LITTLE:
        quantity = f"k{quantity[1:]}"                   # 0.0003 MB is 0.3 kB
        series = [TimeSeries(one.name, one.times, 1000 * one.values) for one in series]
    ceiling = plan.ceiling
    if plan.lines[0].dimension == PROCESS_CPU and job.has_part_of(node):
        ceiling = max(100 * job.usable_cores(node), *(float(np.nanmax(one.values)) for one in series))
    return Figure(title, over_time(series, last - first, quantity, ceiling))


def _rows(job: JobProfile, plan: Plan, node: str) -> list[tuple[str, ...]]:
    rows = []
    for line in plan.lines:
        table = job.system().table(line.dimension, node, line.series)
        if not table:
            continue
        values = _values(table, line)
        values = values[np.isfinite(values)]
        figures = (values.max(), *np.percentile(values, (99, 95, 50)), values.min())
        measure = f"{plan.title}: {line.name}" if len(plan.lines) > 1 else plan.title
        rows.append((node, f"{measure}, {plan.quantity}", *(number(float(one), 4) for one in figures)))
    return rows
