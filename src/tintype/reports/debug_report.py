"""The debugger's page of a job: what its rules found, its losses by mode, its layers over the steps."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from markupsafe import Markup

from tintype.reports.figures.over_steps import StepSeries, layer_map, step_curves
from tintype.reports.page import environment, template_text
from tintype.reports.palette import custom_properties
from tintype.reports.profiler_parts import Figure, Lacking, Section, Table, lacking
from tintype.reports.run_report import Picture
from tintype.reports.wording import counted
from tintype.rules.finding import Finding
from tintype.rules.status import RuleState, RuleStatus
from tintype.storage import write_bytes

LAYERS = 60                             # rows of a map; the middle ones of a deeper network are left out
FINDINGS = 12                           # of each rule
SAMPLES = 5                             # of each finding
WATCH = "train with --rule NAME, e.g. --rule {}"


@final
@dataclass(frozen=True)
class DebugEvidence:
    """What is known of a watched job, as plain values; steps are global steps."""

    name: str
    status: str                                         # of the job
    facts: tuple[tuple[str, str], ...]                  # rows of the head
    states: tuple[RuleState, ...]
    findings: Mapping[str, Sequence[Finding]]           # by the name of the rule
    losses: tuple[StepSeries, ...] = ()                 # one for each mode
    gradients: tuple[StepSeries, ...] = ()              # mean magnitude of each layer, in the order of the network
    weights: tuple[StepSeries, ...] = ()                # spread (or mean magnitude) of each layer
    zeros: tuple[StepSeries, ...] = ()                  # share of zeros in each activation, 0 to 1
    metrics: Mapping[str, tuple[StepSeries, ...]] = field(default_factory=dict)     # from the log, by metric
    pictures: Mapping[str, Picture] = field(default_factory=dict)      # of samples behind findings, by what names them
    made_at: float = 0.0                                # seconds since the epoch

    @property
    def shown_findings(self) -> list[Finding]:
        """The findings that are on the page."""
        return [one for state in self.states for one in self.findings.get(state.name, ())[:FINDINGS]]


@final
@dataclass(frozen=True)
class DebugReport:
    """Everything on the page."""

    name: str
    verdict: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    made_at: float
    eyebrow: str = "What happened inside a training job"
    title: str = "Debugger"


def gather_debug_report(evidence: DebugEvidence) -> DebugReport:
    """The page's content."""
    sections = (
        _rules(evidence), _losses(evidence), _layers(evidence), *((_metrics(evidence),) if evidence.metrics else ()),
    )  # fmt: skip
    return DebugReport(evidence.name, _verdict(evidence), evidence.facts, sections, evidence.made_at)


def write_debug_report(evidence: DebugEvidence, path: Path) -> Path:
    """Write the page, whole or not at all. Raises `StorageFailed`."""
    write_bytes(path, render(gather_debug_report(evidence)).encode(errors="replace"), durable=False)
    return path


def render(report: DebugReport) -> str:
    """The page: one file that loads nothing."""
    script = template_text("run_report.js")
    return environment().get_template("profiler_report.html").render(
        report=report,
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup(template_text("run_report.css") + template_text("profiler_report.css")),
        light=custom_properties("light"),
        dark=custom_properties("dark"),
    )


def _verdict(evidence: DebugEvidence) -> str:
    found = [one.name for one in evidence.states if one.status is RuleStatus.ISSUES_FOUND]
    blind = [one for one in evidence.states if one.status is RuleStatus.NO_ISSUES_FOUND and not one.evaluated]
    if not evidence.states:
        return "No rule watched this training."
    said = f"{counted(len(found), 'rule')} found something: {', '.join(found)}" if found else "No rule found anything"
    return f"{said}; {counted(len(blind), 'rule')} had nothing to judge." if blind else f"{said}."


def _rules(evidence: DebugEvidence) -> Section:
    if not evidence.states:
        return Section("rules", "Rules", (f"No rule watched this training: {WATCH.format('VanishingGradient')}.",))
    rows = tuple(
        (one.name, _status(one), f"{one.findings:,}", _at(one.first_step), one.details) for one in evidence.states
    )
    tables = [Table("Verdicts", ("Rule", "Status", "Findings", "First at step", "Details"), rows, frozenset({2, 3}))]
    for state in evidence.states:
        if found := evidence.findings.get(state.name):
            tables.append(_findings(state, found, evidence.pictures))
    return Section("rules", "Rules", tables=tuple(tables))


def _findings(state: RuleState, found: Sequence[Finding], pictures: Mapping[str, Picture]) -> Table:
    shown = found[:FINDINGS]
    rows: list[tuple[str | Markup, ...]] = [
        (f"{one.step:,}", one.mode.name.lower(), one.message, one.cause, _remedy(one)) for one in shown
    ]
    heads: tuple[str, ...] = ("Step", "Mode", "What", "Why", "What to do")
    if any(one.samples for one in shown):
        heads = (*heads, "Samples")
        rows = [(*row, _samples(one, pictures)) for row, one in zip(rows, shown, strict=True)]
    more = f"; the first {FINDINGS} of {state.findings:,}" if state.findings > FINDINGS else ""
    return Table(f"{state.name}{more}", heads, tuple(rows), frozenset({0}))


def _samples(finding: Finding, pictures: Mapping[str, Picture]) -> Markup | str:
    """The images themselves where they are at hand, else what names them."""
    shown = finding.samples[:SAMPLES]
    if not any(one in pictures for one in shown):
        return ", ".join(shown)
    picture = Markup('<img src="{}" width="{}" height="{}" alt="{}" title="{}" loading="lazy">')
    found = (pictures.get(one) for one in shown)
    drawn = (
        Markup("<span>{}</span>").format(name) if one is None
        else picture.format(one.uri, one.width, one.height, one.file, one.file)
        for name, one in zip(shown, found, strict=True)
    )  # fmt: skip
    return Markup('<div class="samples">{}</div>').format(Markup("").join(drawn))


def _remedy(finding: Finding) -> str:
    if finding.remedy is None:
        return ""
    values = ", ".join(f"{name}={value}" for name, value in finding.remedy.hyperparameters.items())
    return f"{finding.remedy.text} ({values})" if values else finding.remedy.text


def _losses(evidence: DebugEvidence) -> Section:
    marks = [
        (one.first_step, f"{one.name}: step {one.first_step:,}")
        for one in evidence.states if one.first_step is not None and one.status is RuleStatus.ISSUES_FOUND
    ]  # fmt: skip
    if not evidence.losses:
        why = f"No loss was saved: {WATCH.format('LossNotDecreasing')}."
        return Section("losses", "Loss", figures=(lacking("Loss by mode", why),))
    readings = tuple(_course(one) for one in evidence.losses)
    named = "; ".join(words for _, words in marks)
    note = f"Dotted lines mark where a rule first found something. {named}." if marks else ""
    figure = Figure("Loss by mode", step_curves(evidence.losses, "loss", marks), note)
    return Section("losses", "Loss", readings, (figure,))


def _course(one: StepSeries) -> str:
    finite = [value for value in one.values if math.isfinite(value)]
    if not finite:
        return f"In {one.name}, no loss was a finite number."
    lost = len(one.values) - len(finite)
    broken = f"; {lost:,} of them were not finite" if lost else ""
    steps = f"{len(one.values):,} saved steps"
    return f"In {one.name}, the loss went from {finite[0]:.4g} to {finite[-1]:.4g} over {steps}{broken}."


def _layers(evidence: DebugEvidence) -> Section:
    return Section(
        "layers",
        "Layers",
        figures=(
            _map("Mean size of gradients", evidence.gradients, "gradients", "VanishingGradient"),
            _map("Spread of weights", evidence.weights, "weights", "WeightUpdateRatio"),
            _map("Share of zeros in activations", evidence.zeros, "activations", "DeadRelu"),
        ),
    )


def _map(title: str, rows: Sequence[StepSeries], what: str, rule: str) -> Figure | Lacking:
    if not rows:
        return lacking(title, f"No {what} were saved: {WATCH.format(rule)}.")
    shown = [*rows[: LAYERS // 2], *rows[-LAYERS // 2 :]] if len(rows) > LAYERS else list(rows)
    left_out = len(rows) - len(shown)
    note = "A blank cell is exactly zero, a red one is not finite." + (
        f" {counted(left_out, 'layer')} in the middle are left out." if left_out else ""
    )
    return Figure(title, layer_map(shown, what), note)


def _metrics(evidence: DebugEvidence) -> Section:
    figures = tuple(Figure(name, step_curves(series, name)) for name, series in evidence.metrics.items())
    return Section("metrics", "Metrics", ("As they were read from the log.",), figures)


def _status(state: RuleState) -> str:
    blind = state.status is RuleStatus.NO_ISSUES_FOUND and not state.evaluated
    return "no data" if blind else state.status.value


def _at(step: int | None) -> str:
    return "" if step is None else f"{step:,}"
