"""Spans as smdebug writes them: Chrome trace events, in files that are closed every minute.

    <profile>/framework/pevents/<YYYYMMDDHH>/<end of the last event, us>_<node>_pythontimeline.json
    <profile>/framework/<node>_pythontimeline.json.tmp          the one that is being written: cut short, but readable
    <profile>/framework/training_job_end.ts

An event is `{"name", "pid", "ph": "X", "ts", "dur", "args"}`; `pid` is the number of a phase, named by an event of kind
"M", and times are microseconds after the base that the first event of the file gives. A step is one event with its
phases in `args.spans` (name -> [microseconds after its start, duration]): a seventh of the bytes of seven events, which
is what keeps it below one per cent of a step of a millisecond. `timeline.py` makes nested spans of it.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import NamedTuple, final

from tintype.profiler.phases import Phase, StepMode

FRAMEWORK = "framework"
PYTHON_TIMELINE = "pythontimeline.json"
FILE_NAME = re.compile(
    r"(\d+)_(.+)_(pythontimeline|model_timeline|horovod_timeline|smdataparallel_timeline)\.json"
)
TEMPORARY_NAME = re.compile(r"(.+)_pythontimeline\.json\.tmp")
SPANS, DECODING, WAITING_CPU = "spans", "decode_us", "data_wait_cpu_us"        # of our own in the args of a step
WORKING_CPU, PASSES = "step_cpu_us", "backward_passes"


@final
class StepSpan(NamedTuple):
    """One step. Times are nanoseconds of the writer's steady clock."""

    mode: StepMode
    number: int                         # of this mode, from 0
    start: int
    end: int
    phases: tuple[tuple[Phase, int, int], ...]      # (phase, first start, time in all)
    waiting_cpu: int = 0                # processor time that the loop's own thread used while it waited for data
    decoding: int = 0                   # time in the image decoder, in the loop's own process
    working_cpu: int = 0                # processor time that the loop's own thread used in the rest of the step
    passes: int = 1                     # backward passes: more than one where gradients are accumulated


@final
class Span(NamedTuple):
    """Anything else. Times are nanoseconds of the writer's steady clock."""

    name: str
    phase: str                          # becomes a row of the timeline
    start: int
    end: int
    args: tuple[tuple[str, str | int | float | bool], ...] = ()


def pevents_path(last_end_us: int, node: str) -> str:
    """The file of a rotation, relative to the root of the profile."""
    hour = datetime.fromtimestamp(last_end_us / 1e6, UTC)
    return f"{FRAMEWORK}/pevents/{hour:%Y%m%d%H}/{last_end_us}_{node}_{PYTHON_TIMELINE}"


def temporary_path(node: str) -> str:
    """The file that is being written, relative to the root of the profile."""
    return f"{FRAMEWORK}/{node}_{PYTHON_TIMELINE}.tmp"


def base_lines(base_us: int) -> list[str]:
    """The events that every file begins with. `base_us` is microseconds since the epoch."""
    name = {"name": "process_name", "ph": "M", "pid": 0, "args": {"start_time_since_epoch_in_micros": base_us}}
    return [json.dumps(name), '{"name": "process_sort_index", "ph": "M", "pid": 0, "args": {"sort_index": 0}}']


def phase_lines(number: int, name: str) -> list[str]:
    """The events that name a phase."""
    return [
        json.dumps({"name": "process_name", "ph": "M", "pid": number, "args": {"name": name}}),
        f'{{"name": "process_sort_index", "ph": "M", "pid": {number}, "args": {{"sort_index": {number}}}}}',
    ]


def step_line(step: StepSpan, phase_number: int, process_id: int, base: int) -> str:
    """The event of a step; `base` is the steady clock's time of the file's base."""
    spans = ", ".join([
        f'"{phase.value}": [{(start - step.start) // 1000}, {time // 1000}]' for phase, start, time in step.phases
    ])
    extra = f', "{WAITING_CPU}": {step.waiting_cpu // 1000}' if step.waiting_cpu else ""
    extra += f', "{DECODING}": {step.decoding // 1000}' if step.decoding else ""
    extra += f', "{WORKING_CPU}": {step.working_cpu // 1000}' if step.working_cpu else ""
    extra += f', "{PASSES}": {step.passes}' if step.passes > 1 else ""
    return (
        f'{{"name": "{step.mode.event_name}", "pid": {phase_number}, "ph": "X", "ts": {(step.start - base) // 1000}, '
        f'"dur": {(step.end - step.start) // 1000}, "args": {{"pid": {process_id}, "step_num": "{step.number}", '
        f'"{SPANS}": {{{spans}}}{extra}}}}}'
    )


def span_line(span: Span, phase_number: int, process_id: int, base: int) -> str:
    """The event of any other span."""
    return json.dumps({
        "name": span.name, "pid": phase_number, "ph": "X", "ts": (span.start - base) // 1000,
        "dur": (span.end - span.start) // 1000, "args": {"pid": process_id, **dict(span.args)},
    })  # fmt: skip
