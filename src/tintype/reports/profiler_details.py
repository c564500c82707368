"""The sections of the profiler's report about what was looked at more closely: operators, layers, memory, Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from tintype.profiler.breakdown import Breakdown
from tintype.profiler.detail_files import HotSpots, Operators
from tintype.profiler.phases import Outside, StepMode
from tintype.profiler.readers import JobProfile
from tintype.profiler.span_reader import of_mode
from tintype.profiler.system_metrics import MEMORY_USED_BYTES, PROCESS_MEMORY
from tintype.reports.figures.bars import bar, keyed
from tintype.reports.profiler_parts import Figure, Lacking, Section, Table, lacking
from tintype.reports.wording import counted, number, percent, seconds
from tintype.rules.profiler_rule import Judgement

ASK = "“tintype train --profile-steps 10:3” records steps 10 to 12; so does a profiler rule, by itself."
FEW_STEPS = 15                          # a window that nobody placed begins at step 10, that of the stack at step 15
TOO_SHORT = (
    "No window was opened: the training had {}, and windows begin at step 10 unless told otherwise; "
    "“--profile-steps 2:2” looks at steps 2 and 3."
)
NO_OPERATORS = f"No operators were recorded. They need a window of torch.profiler, which slows its steps down: {ASK}"
NO_GPU_OPERATORS = "No operators of a GPU were recorded: the training used none in that window."
NO_LAYERS = f"No times of layers were recorded; they come with the operators. {ASK}"
COMPILED = "None of the operators is in a layer: what torch.compile has compiled has none."
NO_SPOTS = f"The Python stack was not sampled. {ASK}"
NO_MEMORY = "The memory of the job was not sampled."
NO_PHASE_MEMORY = f"The memory of phases comes with the operators, and none were recorded. {ASK}"
SHOWN = 15                              # rows of each table
STYLES = ("a-forward", "a-backward", "a-data-wait", "a-optimizer", "a-loss", "a-evaluation")
MIB = 1024**2


def operators(job: JobProfile, judgement: Judgement | None) -> Section:
    """Top operators and layers, where a window of them was recorded."""
    details: Mapping[str, Any] = judgement.details if judgement else {}
    figures: list[Figure | Lacking] = []
    without = _too_short(job) or NO_OPERATORS
    reasons = {"CPU": without, "GPU": NO_GPU_OPERATORS if details.get("CPU") else without}
    for key, title in (("CPU", "Operators on processors"), ("GPU", "Operators on GPUs")):
        shares = details.get(key) or {}
        figures.append(Figure(title, _shares(shares)) if shares else lacking(title, reasons[key]))
    if not any(one.layers for one in job.operators):
        shares = details.get("forward_backward") or {}
        reason = COMPILED if job.operators else _too_short(job) or NO_LAYERS
        figures.append(Figure("Layers", _shares(shares)) if shares else lacking("Layers", reason))
    said: list[str] = []
    tables: list[Table] = []
    for window in job.operators:
        said.append(_window(window))
        tables += [_operator_table(window), *([_layer_table(window)] if window.layers else [])]
    if rows := _recorded(details.get("general") or {}):
        tables.append(Table("What the framework recorded", ("Phase", "Share", ""), rows, frozenset({1})))
    return Section("operators", "Operators and layers", tuple(said), tuple(figures), tuple(tables))


def python(job: JobProfile) -> Section:
    """Which Python functions the training's thread was in."""
    title = "Functions that the training was in"
    if not job.hot_spots:
        return Section("python", "Python", (), (lacking(title, _too_short(job) or NO_SPOTS),))
    said, tables = [], []
    for one in job.hot_spots:
        steps = f"{seconds(one.seconds)}, {counted(one.steps, 'step')} from step {one.first_step:,} on"
        said.append(f"The stack of {one.worker} was looked at {one.samples:,} times in {steps}.")
        if one.functions:
            top = one.functions[0]
            share = percent(top.own / max(1, one.samples))
            where = f"{top.name} ({top.file}:{top.line})"
            said.append(f"Most often, {share}, it was in {where} or in a library that is called there.")
        tables.append(_function_table(one))
    return Section("python", "Python", tuple(said), (), tuple(tables))


def memory(job: JobProfile, times: Breakdown | None) -> Section:
    """The most memory that each part of the job needed, and each phase of a step."""
    figures: list[Figure | Lacking] = []
    tables: list[Table] = []
    if rows := _job_memory(job, times):
        tables.append(Table("Memory by part of the job", ("Part", "At most", ""), rows, frozenset({1})))
    else:
        figures.append(lacking("Memory by part of the job", NO_MEMORY))
    for window in job.operators:
        most = max(window.memory.values(), default=0)
        peaks = tuple(
            (phase.replace("_", " "), _mib(peak), bar(peak, most, "f-time", _mib(peak)))
            for phase, peak in window.memory.items()
        )
        heads = ("Phase", f"At most, of {window.memory_of}", "")
        tables.append(Table(f"Memory by phase of a step, {window.worker}", heads, peaks, frozenset({1})))
    if not job.operators:
        figures.append(lacking("Memory by phase of a step", _too_short(job) or NO_PHASE_MEMORY))
    return Section("memory", "Memory", (), tuple(figures), tuple(tables))


def _too_short(job: JobProfile) -> str:
    """That a training had too few steps to be looked at more closely; "" when it had enough, or none."""
    steps = len(of_mode(job.spans().steps, StepMode.TRAIN))
    return TOO_SHORT.format(counted(steps, "step")) if 0 < steps <= FEW_STEPS else ""


def _window(window: Operators) -> str:
    steps = counted(window.steps, "step")
    return f"In {window.worker}, {steps} from step {window.first_step:,} on were recorded, {seconds(window.seconds)}."


def _operator_table(window: Operators) -> Table:
    shown = window.operators[:SHOWN]
    whole = sum(one.self_us for one in window.operators) or 1.0
    rows = tuple(
        (one.name, one.device, _ms(one.self_us / max(1, window.steps)), percent(one.self_us / whole), f"{one.calls:,}",
         bar(one.self_us, shown[0].self_us, "f-time", percent(one.self_us / whole)))
        for one in shown
    )  # fmt: skip
    heads = ("Operator", "On", "A step, ms", "Share", "Calls", "")
    return Table(f"Top operators, {window.worker}", heads, rows, frozenset({2, 3, 4}))


def _layer_table(window: Operators) -> Table:
    shown, steps = window.layers[:SHOWN], max(1, window.steps)
    most = shown[0].forward_us + shown[0].backward_us
    rows = tuple(
        (one.name, one.kind, _ms(one.forward_us / steps), _ms(one.backward_us / steps),
         bar(one.forward_us + one.backward_us, most, "f-time", f"{_ms((one.forward_us + one.backward_us) / steps)} ms"))
        for one in shown
    )  # fmt: skip
    heads = ("Layer", "Kind", "Forward, ms a step", "Backward, ms a step", "")
    return Table(f"Slowest layers, {window.worker}", heads, rows, frozenset({2, 3}))


def _function_table(found: HotSpots) -> Table:
    shown, whole = found.functions[:SHOWN], max(1, found.samples)
    rows = tuple(
        (one.name, f"{one.file}:{one.line}", percent(one.own / whole), percent(one.all / whole),
         bar(one.own, shown[0].own or 1, "f-time", percent(one.own / whole)))
        for one in shown
    )  # fmt: skip
    heads = ("Function", "Where", "Itself", "With what it calls", "")
    return Table(f"Python functions, {found.worker}", heads, rows, frozenset({2, 3}))


def _job_memory(job: JobProfile, times: Breakdown | None) -> tuple[tuple[str | Markup, ...], ...]:
    peaks: dict[str, float] = {}
    for node in job.system().nodes:
        table = job.system().table(PROCESS_MEMORY, node) or job.system().table(MEMORY_USED_BYTES, node)
        if not table:
            continue
        for part, inside in _parts(job, table.times, times).items():
            if inside.any() and np.isfinite(table.values[inside]).any():
                peaks[part] = max(peaks.get(part, 0.0), float(np.nanmax(table.values[inside])))
    peaks = {part: peak for part, peak in peaks.items() if peak > 0}        # a process that has ended has none
    most = max(peaks.values(), default=0.0)
    return tuple((part, _mib(peak), bar(peak, most, "f-time", _mib(peak))) for part, peak in peaks.items())


def _parts(job: JobProfile, at: Any, times: Breakdown | None) -> dict[str, Any]:
    """Which samples were taken in which part of the job."""
    if times is None:
        return {"the whole job": np.ones(len(at), bool)}
    found = {
        "start": at < times.loop_start,
        "training loop": (at >= times.loop_start) & (at <= times.loop_end),
        "end": at > times.loop_end,
    }
    names, spans = job.spans().names, job.spans().spans
    for what, part in ((Outside.EVALUATION, "evaluation"), (Outside.CHECKPOINT, "checkpoint")):
        if what.value in names:
            mine = spans[spans["name"] == names.index(what.value)]
            found[part] = _within(at, mine["start"], mine["start"] + mine["duration"])
    if len(times.evaluation):
        ends = times.evaluation["start"] + times.evaluation["duration"]
        found["evaluation"] = found.get("evaluation", False) | _within(at, times.evaluation["start"], ends)
    return found


def _within(at: Any, starts: Any, ends: Any) -> Any:
    """Whether each moment is inside of any span; spans are in the order of their start and do not overlap."""
    place = np.searchsorted(starts, at, side="right") - 1
    return (place >= 0) & (at <= ends[np.maximum(place, 0)])


def _recorded(shares: Mapping[str, float]) -> tuple[tuple[str | Markup, ...], ...]:
    ordered = sorted(shares.items(), key=lambda one: -one[1])
    return tuple((name, f"{share:.1f} %", bar(share, 100.0, "f-time", f"{share:.1f} %")) for name, share in ordered)


def _shares(shares: Mapping[str, float]) -> Markup:
    names = sorted(shares, key=lambda one: -shares[one])[:12]
    parts = [(STYLES[n % len(STYLES)], shares[name], f"{name}: {shares[name]:.1f} %") for n, name in enumerate(names)]
    return keyed(parts, sum(shares.values()))


def _ms(microseconds: float) -> str:
    return number(microseconds / 1000, 2)


def _mib(amount: float) -> str:
    return f"{amount / MIB:,.0f} MiB"
