"""`tintype debug`: what the rules found in a job, and its tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tintype.cli.display import Display
from tintype.cli.invocation import Invocation
from tintype.errors import JobFailed
from tintype.jobs.job import Job, Status
from tintype.jobs.names import checked
from tintype.pipeline.debug_view import DebugView, TensorSeries, debug_view
from tintype.pipeline.fixing import comparison, fix_of, fixed_spec
from tintype.pipeline.following import wait_for
from tintype.pipeline.reports_by_name import debug_page
from tintype.pipeline.speeding import speed_comparison, speed_fix
from tintype.rules.finding import Finding
from tintype.rules.status import RuleState, RuleStatus
from tintype.workspace import Workspace

BARS = "▁▂▃▄▅▆▇█"
WIDE, NARROW = 32, 10                   # characters of a sparkline ...
WIDE_CONSOLE = 110                      # ... and of a console that has room for a wide one
TENSORS_SHOWN = 60
FINDINGS_SHOWN = 3                      # of each rule; --json has all that were kept
CONSEQUENCES = frozenset({"LossNotDecreasing", "GradientNoise", "ClassCollapse", "DeadClass"})      # as a rule
COLOURS = {
    RuleStatus.ISSUES_FOUND: "bold red",
    RuleStatus.ERROR: "bold magenta",
    RuleStatus.NO_ISSUES_FOUND: "green",
}  # fmt: skip


def debug(
    call: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The training job's name.")],
    tensor: Annotated[str | None, typer.Option(metavar="REGEX", help="Show these tensors; the losses if none.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Train again with what the findings propose.")] = False,
    fix_speed: Annotated[bool, typer.Option("--fix-speed", help="Train again without what limits its speed.")] = False,
    fix_name: Annotated[str | None, typer.Option("--name", help="Of the new job of --fix or --fix-speed.")] = None,
) -> None:
    """What the rules found in a job, why, and what to do; and its tensors over the steps."""
    with call.workspace() as workspace:
        if fix_speed:
            call.answer({"name": name, "fix": _fix_speed(call, workspace, name, fix_name)})
            return
        view = debug_view(workspace.jobs.get(name), tensor)
        say(call, view)
        if tensor is not None and not view.tensors:
            call.say(f"[yellow]![/] no tensor of the log matches {escape(repr(tensor))}")
        page = debug_page(workspace, view.job)
        call.say(f"page: {escape(str(page))}")
        document = view.to_json() | {"page": str(page)}
        if fix:
            document["fix"] = _fix(call, workspace, view, fix_name)
    call.answer(document)


def say(call: Invocation, view: DebugView) -> None:
    """The view for a person."""
    if view.states:
        call.say(rule_table(view.states))
    for state in view.states:
        if state.details and state.status is not RuleStatus.ISSUES_FOUND:
            call.say(f"  [dim]{state.name}: {escape(state.details)}[/]")
    for state in causes_first(view.states):
        shown = first_of_each_tensor(view.findings[state.name])[:FINDINGS_SHOWN]
        for number, finding in enumerate(shown):
            again = number > 0 and _remedy(finding) == _remedy(shown[0])
            say_finding(call, state.name, finding, explained=not again)
        if state.findings > len(shown):
            call.say(f"  [dim]{state.name} has {state.findings:,} findings; --json shows more[/]")
    if view.tensors:
        call.say(tensor_table(view.tensors[:TENSORS_SHOWN], WIDE if call.console.width >= WIDE_CONSOLE else NARROW))
    call.say(f"[dim]{view.tensor_count:,} tensors in the log; --tensor REGEX shows others[/]")
    for path, problem in list(view.problems.items())[:FINDINGS_SHOWN]:
        call.say(f"  [yellow]![/] {escape(path)}: {escape(problem)}")


def causes_first(states: Sequence[RuleState]) -> list[RuleState]:
    """As a person wants to read them: early ones first, and those last that as a rule follow from something else."""
    return sorted(states, key=lambda one: (one.rule in CONSEQUENCES, one.first_step or 0))


def first_of_each_tensor(findings: Sequence[Finding]) -> list[Finding]:
    """Without what is said of a tensor again at a later step."""
    first: dict[str, Finding] = {}
    for one in findings:
        first.setdefault(one.tensor, one)
    return list(first.values())


def rule_table(states: Sequence[RuleState]) -> Table:
    """One row a rule."""
    table = Table(box=None, padding=(0, 2))
    for column in ("rule", "status", "findings", "first at step"):
        right = column in ("findings", "first at step")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for one in states:
        colour = COLOURS.get(one.status, "yellow") if one.evaluated else "yellow"
        status = one.status.value if one.evaluated or one.status is not RuleStatus.NO_ISSUES_FOUND else "no data"
        first = "" if one.first_step is None else f"{one.first_step:,}"
        table.add_row(one.name, f"[{colour}]{status}[/]", f"{one.findings:,}", first)
    return table


def say_finding(call: Invocation, rule: str, finding: Finding, *, explained: bool = True) -> None:
    """What, and unless it was said before, why and what to do."""
    where = f"{finding.mode.name.lower()} step {finding.mode_step:,}"
    call.say(f"\n[bold]{rule}[/] at {where}: {escape(finding.message)}")
    if finding.cause and explained:
        call.say(f"  [dim]why:[/] {escape(finding.cause)}")
    if finding.remedy is not None and explained:
        values = " ".join(f"{name}={value}" for name, value in finding.remedy.hyperparameters.items())
        call.say(f"  [dim]do:[/]  {escape(finding.remedy.text)}" + (f" [cyan]({escape(values)})[/]" if values else ""))
    if finding.samples:
        call.say(f"  [dim]samples:[/] {escape(', '.join(finding.samples[:5]))}")


def _remedy(finding: Finding) -> str:
    return finding.remedy.text if finding.remedy is not None else finding.cause


def tensor_table(tensors: Sequence[TensorSeries], width: int) -> Table:
    """One row a tensor and mode, with its course as a sparkline of so many characters."""
    table = Table(box=None, padding=(0, 1))
    for column in ("tensor", "mode", "steps", "of", "first", "last", ""):
        right = column in ("steps", "first", "last")
        table.add_column(column, justify="right" if right else "left", no_wrap=column != "tensor", overflow="fold")
    for one in tensors:
        first, last = (f"{one.numbers[at]:.3g}" for at in (0, -1))
        row = (escape(one.name), one.mode.name.lower(), f"{len(one.steps):,}", one.what, first, last)
        table.add_row(*row, f"[cyan]{sparkline(one.numbers, width)}[/]")
    return table


def sparkline(numbers: Sequence[float], width: int) -> str:
    """A series in one line of text: the mean of each of `width` equal parts; `×` where a part is not finite."""
    parts = [numbers[len(numbers) * at // width : len(numbers) * (at + 1) // width] for at in range(width)]
    means = [sum(part) / len(part) for part in parts if len(part)]
    finite = [one for one in means if math.isfinite(one)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((one - low) * scale)] if math.isfinite(one) else "×" for one in means)


def _fix(call: Invocation, workspace: Workspace, view: DebugView, name: str | None) -> dict[str, Any]:
    fix = fix_of(view)
    job = _train_again(call, workspace, view.job, fix.changes, name)
    return _compared(call, view.job, job, fix.changes, comparison(workspace.jobs, view.job, job))


def _fix_speed(call: Invocation, workspace: Workspace, name: str, new_name: str | None) -> dict[str, Any]:
    before = workspace.jobs.get(name)
    fix = speed_fix(before)
    call.say(f"{name} is limited by {fix.limiter.limiter}: {escape(fix.limiter.evidence)}")
    after = _train_again(call, workspace, before, fix.changes, new_name)
    found = _compared(call, before, after, fix.changes, speed_comparison(workspace.jobs, before, after))
    return {**found, "limiter": fix.limiter.limiter.value}


def _train_again(
    call: Invocation, workspace: Workspace, before: Job, changes: Mapping[str, str], name: str | None
) -> Job:
    new_name = checked("job", name or f"{before.name[:58]}-fix")
    spec = fixed_spec(before, changes, new_name, workspace.job_directory(new_name), workspace.home)
    with workspace.engine() as engine, Display(call.console) as display:
        display.stage(f"Training {new_name} with {' '.join(f'{key}={value}' for key, value in changes.items())}")
        job = wait_for(workspace, engine, engine.submit(spec, new_name).name, display)
    if job.status is not Status.COMPLETED:
        raise JobFailed(f"the new job {new_name} is {job.status}; there is nothing to compare")
    return job


def _compared(
    call: Invocation, before: Job, after: Job, changes: Mapping[str, str], rows: list[dict[str, Any]]
) -> dict[str, Any]:
    table = Table(box=None, padding=(0, 2))
    for column in ("", before.name, after.name):
        table.add_column(column, justify="left" if not column else "right")
    for row in rows:
        table.add_row(row["what"], *(_shown(row[side]) for side in ("before", "after")))
    call.say(table)
    return {"name": after.name, "changes": dict(changes), "comparison": rows}


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
