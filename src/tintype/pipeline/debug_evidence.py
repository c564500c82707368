"""What the debugger's page says of a job, read from its directory and its record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tintype.debugger.modes import Mode
from tintype.debugger.tensor_log import TensorLog, open_log
from tintype.jobs.directory import JobDirectory
from tintype.jobs.hyperparameters import script_values
from tintype.jobs.job import Job
from tintype.jobs.store import JobStore
from tintype.pipeline.sample_pictures import sample_pictures
from tintype.reports.debug_report import DebugEvidence
from tintype.reports.figures.over_steps import StepSeries
from tintype.rules.rule_output import read_findings, read_states
from tintype.training.plan import load_plan

GRADIENTS, WEIGHTS = r"^gradient/.*weight", r"^(?!gradient).*weight$"
ACTIVATIONS = r"_output_\d+$"
SIZES = (("mean", True), ("l2", False), ("std", False), ("max", True))      # the first of these that was saved
SPREADS = (("std", False), ("variance", False), ("l2", False), ("mean", True))
ZEROS = (("zeros", False),)

Wanted = tuple[tuple[str, bool], ...]           # (reduction, of magnitudes)


def debug_evidence(store: JobStore, job: Job, made_at: float, max_pixels: int) -> DebugEvidence:
    """All there is, of a job that runs too. Raises `StorageFailed` when its log cannot be read at all.

    Images of more than `max_pixels` are not decoded.
    """
    directory = JobDirectory(Path(job.directory))
    log = open_log(directory.debug_output)
    states = tuple(read_states(directory.rule_output))
    evidence = DebugEvidence(
        name=job.name,
        status=job.status,
        facts=_facts(job, log),
        states=states,
        findings={one.name: read_findings(directory.rule_output, one.name) for one in states},
        losses=_losses(log),
        gradients=_layers(log, log.names(GRADIENTS), SIZES),
        weights=_layers(log, log.names(WEIGHTS), SPREADS),
        zeros=_layers(log, log.names(ACTIVATIONS), ZEROS),
        metrics=_metrics(store, job),
        made_at=made_at,
    )
    folders = _folders(job, directory)
    return replace(evidence, pictures=sample_pictures(evidence.shown_findings, folders, directory.root, max_pixels))


def _folders(job: Job, directory: JobDirectory) -> list[Path]:
    """Where the images that the job was trained on are."""
    channels = () if job.spec is None else job.spec.channels
    found = [directory.channels, *(Path(one.location.removeprefix("file://")) for one in channels)]
    if directory.plan.is_file():
        plan = load_plan(directory.plan)
        found += [Path(plan.data.location), plan.data_workdir]
    return found


def _facts(job: Job, log: TensorLog) -> tuple[tuple[str, str], ...]:
    settings = "  ".join(f"{name}={value}" for name, value in script_values(job.hyperparameters).items())
    steps = ", ".join(f"{len(log.steps(mode)):,} {mode.name.lower()}" for mode in log.modes())
    rows = [("Status", str(job.status)), ("Saved steps", steps or "none"), ("Tensors", f"{len(log.names()):,}")]
    if job.failure_reason:
        rows.append(("Reason", job.failure_reason))
    if settings:
        rows.append(("Hyperparameters", settings))
    if log.problems:
        rows.append(("Damaged files", f"{len(log.problems):,}, left out"))
    return tuple(rows)


def _losses(log: TensorLog) -> tuple[StepSeries, ...]:
    names = log.names(r"[Ll]oss_(?!input).*output")
    found = []
    for mode in log.modes():
        for name in names[:1]:
            at, values = log.series(name, mode)
            steps = [log.global_step(mode, int(step)) for step in at]
            pairs = [(step, value) for step, value in zip(steps, values.tolist(), strict=True) if step is not None]
            if pairs:
                found.append(_series(mode.name.lower(), pairs))
    return tuple(found)


def _layers(log: TensorLog, names: Iterable[str], wanted: Wanted) -> tuple[StepSeries, ...]:
    found = []
    for name in names:
        stored = log.reductions(name, Mode.GLOBAL)
        numbers = next((stored[one] for one in wanted if stored.get(one)), None)
        if numbers is None and wanted is not ZEROS:
            op, absolute = wanted[0]
            steps = [step for step, value in log.values(name, Mode.GLOBAL).items() if value.size > 1]
            numbers = {step: log.reduction(name, step, op, absolute=absolute) for step in steps}
        if numbers:
            found.append(_series(name.removeprefix("gradient/"), list(numbers.items())))
    return tuple(found)


def _metrics(store: JobStore, job: Job) -> dict[str, tuple[StepSeries, ...]]:
    points: dict[str, list[tuple[int, float]]] = {}
    for one in store.measurements(job.name):
        points.setdefault(one.name, []).append((one.step, one.value))
    return {name: (_series(name, pairs),) for name, pairs in points.items()}


def _series(name: str, pairs: list[tuple[int, float]]) -> StepSeries:
    return StepSeries(name, tuple(int(step) for step, _ in pairs), tuple(float(value) for _, value in pairs))
