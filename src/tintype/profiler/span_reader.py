"""Reading spans, ours and SageMaker's (smdebug's Python timeline, TensorFlow's model timeline, Horovod's).

A file that is cut short is read up to where it is whole; an event that makes no sense is counted and left out. One file
is held in memory at a time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tintype.profiler.phases import MODES, PHASES, STEP_PREFIX, Phase, StepMode
from tintype.profiler.span_files import (
    DECODING,
    FILE_NAME,
    FRAMEWORK,
    PASSES,
    SPANS,
    TEMPORARY_NAME,
    WAITING_CPU,
    WORKING_CPU,
)
from tintype.profiler.step_lines import step_rows

STEP_ROW = np.dtype(
    [
        ("start", "<f8"),                               # seconds since the epoch
        ("duration", "<f8"),                            # seconds
        ("number", "<i8"),                              # of the step, as its writer counts
        ("mode", "u1"),                                 # index of phases.MODES
        ("node", "<u2"),                                # index of the names of nodes
        ("waiting_cpu", "<f4"),                         # seconds
        ("decode", "<f4"),                              # seconds
        ("passes", "<u4"),                              # backward passes; 0 when the writer does not tell it, or one
        ("working_cpu", "<f4"),                         # seconds; 0 when the writer does not tell it
        *((phase.value, "<f4") for phase in PHASES),    # seconds; NaN when the writer does not tell phases
        *((f"{phase.value}_at", "<f4") for phase in PHASES),    # seconds after the start of the step
    ]
)
SPAN_ROW = np.dtype([
    ("start", "<f8"),                   # seconds since the epoch
    ("duration", "<f8"),                # seconds
    ("step", "<i8"),                    # -1 where no step is told
    ("name", "<u4"),                    # index of the names
    ("phase", "<u4"),
    ("node", "<u2"),
    ("process", "<i8"),                 # id of the process that it was measured in, -1 where it is not told
    ("cpu", "<f4"),                     # processor time in seconds, NaN where it is not told
    ("decode", "<f4"),                  # seconds in the image decoder
])  # fmt: skip
LONGEST_JOB = 60 * 86_400.0             # seconds; SageMaker's end after 28 days
NO_STEPS = np.zeros(0, STEP_ROW)
MODE_NUMBERS = {mode.value: number for number, mode in enumerate(MODES)}
PHASE_PLACES = {phase.value: place for place, phase in enumerate(PHASES)}
UNKNOWN = (math.nan,) * len(PHASES)


@final
@dataclass
class Names:
    """Texts by number, in the order in which they came."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        """The number of a text, a new one when it has none."""
        return self.numbers.setdefault(text, len(self.numbers))

    @property
    def texts(self) -> tuple[str, ...]:
        """By number."""
        return tuple(self.numbers)


@final
@dataclass(frozen=True, eq=False)
class FrameworkSpans:
    """All spans of a profile in the order of their start."""

    steps: NDArray[Any]                 # (steps,) STEP_ROW
    spans: NDArray[Any]                 # (spans,) SPAN_ROW
    names: tuple[str, ...]              # of events and of phases
    nodes: tuple[str, ...]
    loaders: tuple[Mapping[str, Any], ...] = ()         # args of each DataLoaderIterInitialize: num_workers, pin_memory
    damaged: int = 0                    # files and events that could not be read


@final
class SpanReading:
    """What was read so far; rows become arrays file by file."""

    def __init__(self) -> None:
        self.names, self.nodes = Names(), Names()
        self.steps: list[NDArray[Any]] = []
        self.spans: list[NDArray[Any]] = []
        self.loaders: list[Mapping[str, Any]] = []
        self.damaged = 0

    def read(self, path: Path) -> None:
        """Add the events of a file."""
        match = FILE_NAME.fullmatch(path.name)
        temporary = TEMPORARY_NAME.fullmatch(path.name)
        node = self.nodes.number(match[2] if match else temporary[1] if temporary else path.stem)
        events, fast, damaged = read_events(path)
        self.damaged += damaged
        steps: list[tuple[Any, ...]] = []
        spans: list[tuple[Any, ...]] = []
        base, phases = 0.0, {}
        for event in events:
            try:
                if event["ph"] == "M":
                    base = self._meta(event, base, phases)
                elif event["ph"] == "X" and event["name"].startswith(STEP_PREFIX):
                    steps.append(_step(event, base, node))
                elif event["ph"] == "X":
                    spans.append(self._span(event, base, node, phases))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                self.damaged += 1
        fast["start"], fast["node"] = fast["start"] + base, node
        self.steps += [fast, np.array(steps, STEP_ROW)]
        self.spans.append(np.array(spans, SPAN_ROW))

    def result(self) -> FrameworkSpans:
        """Everything, in order."""
        steps = np.concatenate([np.zeros(0, STEP_ROW), *self.steps])
        spans = np.concatenate([np.zeros(0, SPAN_ROW), *self.spans])
        if len(steps) or len(spans):
            middle = float(np.median(np.concatenate((steps["start"], spans["start"]))))
            steps, spans = self._near(steps, middle), self._near(spans, middle)
        return FrameworkSpans(
            steps[np.argsort(steps["start"], kind="stable")], spans[np.argsort(spans["start"], kind="stable")],
            self.names.texts, self.nodes.texts, tuple(self.loaders), self.damaged,
        )  # fmt: skip

    def _near(self, rows: NDArray[Any], middle: float) -> NDArray[Any]:
        """Those that may be of the same job: a broken digit must not make it one of years."""
        near = (np.abs(rows["start"] - middle) < LONGEST_JOB) & (rows["duration"] < LONGEST_JOB)
        self.damaged += int((~near).sum())
        return rows[near]

    def _meta(self, event: Mapping[str, Any], base: float, phases: dict[int, str]) -> float:
        if event["name"] != "process_name":
            return base
        if "start_time_since_epoch_in_micros" in event["args"]:
            return float(event["args"]["start_time_since_epoch_in_micros"]) / 1e6
        phases[event["pid"]] = str(event["args"]["name"])
        return base

    def _span(self, event: Mapping[str, Any], base: float, node: int, phases: Mapping[int, str]) -> tuple[Any, ...]:
        args = event.get("args") or {}
        if event["name"] == "DataLoaderIterInitialize":
            self.loaders.append(args)
        start, duration = _times(event, base)
        name, phase = self.names.number(event["name"]), self.names.number(phases.get(event["pid"], ""))
        cpu, decode = float(args.get("cpu_us", math.nan)) / 1e6, float(args.get(DECODING, 0)) / 1e6
        return start, duration, int(args.get("step_num", -1)), name, phase, node, int(args.get("pid", -1)), cpu, decode


def read_framework_spans(root: Path, since: float = 0.0) -> FrameworkSpans:
    """Every span below `root`/framework. No files give none. Raises nothing for what is damaged.

    With `since`, seconds since the epoch, files that ended before it are not opened.
    """
    reading = SpanReading()
    for path in span_files(root):
        named = FILE_NAME.fullmatch(path.name)
        if named is None or int(named[1]) / 1e6 >= since:
            reading.read(path)
    return reading.result()


def span_files(root: Path) -> list[Path]:
    """The files with spans, oldest first; those that are still being written last."""
    folder = root / FRAMEWORK
    if not folder.is_dir():
        return []
    whole = (path for path in (folder / "pevents").rglob("*.json") if FILE_NAME.fullmatch(path.name))
    open_ones = (path for path in folder.iterdir() if TEMPORARY_NAME.fullmatch(path.name))
    return [*sorted(whole, key=lambda path: path.name), *sorted(open_ones)]


def read_events(path: Path) -> tuple[list[Any], NDArray[Any], int]:
    """(events, steps that were read at once, how many lines could not be read).

    The steps are STEP_ROW with their start relative to the base of the file, and are none of the events.
    """
    try:
        content = path.read_bytes()
    except OSError:                                     # it was just rotated away, or is not ours to read
        return [], NO_STEPS, 1
    found = step_rows(content, STEP_ROW) if content.startswith(b"[\n") else None
    unfinished = path.name.endswith(".tmp")
    if found is not None and len(found[0]):
        return _events_by_line(found[1], unfinished, found[0])
    try:
        events = json.loads(content)
        return (events, NO_STEPS, 0) if isinstance(events, list) else ([], NO_STEPS, 1)
    except (ValueError, RecursionError):
        return _events_by_line(content.split(b"\n"), unfinished, NO_STEPS)


def _events_by_line(lines: list[bytes], unfinished: bool, steps: NDArray[Any]) -> tuple[list[Any], NDArray[Any], int]:
    found, damaged = [], 0
    for line in lines:
        text = line.strip().rstrip(b",")
        if text in (b"", b"[", b"]"):
            continue
        try:
            found.append(json.loads(text))
        except (ValueError, RecursionError):
            damaged += 1
    # Of a file that is being written the last line may be half there, which is no damage.
    return found, steps, max(0, damaged - 1) if unfinished else damaged


def _times(event: Mapping[str, Any], base: float) -> tuple[float, float]:
    start, duration = base + event["ts"] / 1e6, event["dur"] / 1e6
    if not (math.isfinite(start) and 0 <= duration < math.inf):
        raise ValueError(f"no times: {event['ts']!r}, {event['dur']!r}")
    return start, duration


def _step(event: Mapping[str, Any], base: float, node: int) -> tuple[Any, ...]:
    args = event.get("args") or {}
    start, duration = _times(event, base)
    mode = MODE_NUMBERS[event["name"][len(STEP_PREFIX) :]]
    spans = args.get(SPANS)
    number, cpu = int(args.get("step_num", -1)), args.get(WAITING_CPU, 0) / 1e6
    if spans is None:
        return start, duration, number, mode, node, cpu, 0.0, 0, 0.0, *UNKNOWN, *UNKNOWN
    at, times = [0.0] * len(PHASES), [0.0] * len(PHASES)
    for name, (first, time) in spans.items():
        place = PHASE_PLACES[name]
        at[place], times[place] = first / 1e6, time / 1e6
    decode, working = args.get(DECODING, 0) / 1e6, args.get(WORKING_CPU, 0) / 1e6
    passes = int(args.get(PASSES, 0))
    return start, duration, number, mode, node, cpu, decode, passes, working, *times, *at


def phase_times(steps: NDArray[Any]) -> dict[Phase, NDArray[Any]]:
    """Seconds of each phase and step; 0 where the writer did not tell phases."""
    return {phase: np.nan_to_num(steps[phase.value]) for phase in PHASES}


def of_mode(steps: NDArray[Any], mode: StepMode) -> NDArray[Any]:
    """The steps of one mode."""
    return steps[steps["mode"] == MODE_NUMBERS[mode.value]]


