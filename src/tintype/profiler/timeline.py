"""One timeline of everything: a Chrome trace that opens in Perfetto (https://ui.perfetto.dev) and chrome://tracing.

Each worker of the training is a process with a track for its steps, in which the phases are nested; each node is a
process with counters of its system metrics, on the same clock. Workers are aligned by their machines' time of day.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tintype.profiler.phases import MODES, PHASES
from tintype.profiler.readers import JobProfile
from tintype.profiler.span_files import FRAMEWORK
from tintype.storage import atomic_file

MOST_POINTS = 5_000                     # of a counter; more are thinned out evenly
FIRST_NODE, FIRST_WORKER = 1, 1000      # numbers of processes in the trace begin here
STEP_TRACK, SPAN_TRACK = 1, 2
Json = dict[str, Any]


def write_timeline(
    profile: JobProfile, path: Path | None = None, start: float | None = None, end: float | None = None
) -> Path:
    """Write what lies between two moments (seconds since the epoch) to `path`, or into the profile's own folder.

    Raises `StorageFailed`. A profile without anything gives a timeline without anything.
    """
    zero, last = profile.extent or (0.0, 0.0)
    start, end = zero if start is None else start, last if end is None else end
    target = path or profile.root / FRAMEWORK / f"{int(last * 1e6)}_merged_timeline.json"
    with atomic_file(target, durable=False) as stream:
        stream.write(b'{"displayTimeUnit": "ms", "traceEvents": [\n')
        args = {"name": "Tintype", "start_time_since_epoch_in_micros": int(zero * 1e6)}
        stream.write(json.dumps({"name": "process_name", "ph": "M", "pid": 0, "args": args}).encode())
        for event in _events(profile, zero, start, end):
            stream.write(b",\n" + json.dumps(event).encode())
        stream.write(b"\n]}\n")
    return target


def _events(profile: JobProfile, zero: float, start: float, end: float) -> Iterator[Json]:
    for number, node in enumerate(profile.system().nodes, FIRST_NODE):
        yield _name("process_name", number, f"machine {node}")
        yield from _counters(profile, node, number, zero, start, end)
    found = profile.spans()
    for number, worker in enumerate(found.nodes):
        yield _name("process_name", FIRST_WORKER + number, f"worker {worker}")
        yield _name("thread_name", FIRST_WORKER + number, "steps", STEP_TRACK)
        yield _name("thread_name", FIRST_WORKER + number, "everything else", SPAN_TRACK)
    for step in _between(found.steps, start, end):
        yield from _step(step, zero)
    for span in _between(found.spans, start, end):
        place = {"pid": FIRST_WORKER + int(span["node"]), "tid": SPAN_TRACK}
        args = {"phase": found.names[span["phase"]], "step": int(span["step"])}
        yield _span(found.names[span["name"]], place, float(span["start"]) - zero, float(span["duration"]), args)


def _counters(profile: JobProfile, node: str, process: int, zero: float, start: float, end: float) -> Iterator[Json]:
    system = profile.system()
    for series in dict.fromkeys((one.dimension, one.name if one.dimension in ("", "Algorithm") else "")
                                for one in system.series if one.node == node):
        table = system.table(series[0], node, series[1])
        inside = np.flatnonzero((table.times >= start) & (table.times <= end))
        title = series[1] or series[0]
        for place in inside[:: max(1, len(inside) // MOST_POINTS)]:
            values = {
                name: float(value)
                for name, value in zip(table.names, table.values[place], strict=True)
                if np.isfinite(value)
            }
            at = _us(float(table.times[place]) - zero)
            yield {"name": title, "ph": "C", "pid": process, "ts": at, "args": values}


def _step(step: Any, zero: float) -> Iterator[Json]:
    place = {"pid": FIRST_WORKER + int(step["node"]), "tid": STEP_TRACK}
    start = float(step["start"]) - zero
    args = {"step": int(step["number"])}
    yield _span(f"Step:ModeKeys.{MODES[step['mode']].value}", place, start, float(step["duration"]), args)
    for phase in PHASES:
        if step[phase.value] > 0:
            yield _span(phase.value, place, start + float(step[f"{phase.value}_at"]), float(step[phase.value]), args)


def _span(name: str, place: Json, start: float, duration: float, args: Json) -> Json:
    return {"name": name, "ph": "X", **place, "ts": _us(start), "dur": _us(duration), "args": args}


def _name(kind: str, process: int, text: str, track: int | None = None) -> Json:
    place = {"pid": process} if track is None else {"pid": process, "tid": track}
    return {"name": kind, "ph": "M", **place, "args": {"name": text}}


def _between(rows: NDArray[Any], start: float, end: float) -> NDArray[Any]:
    return rows[(rows["start"] + rows["duration"] >= start) & (rows["start"] <= end)]


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 1)
