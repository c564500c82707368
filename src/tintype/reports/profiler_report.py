"""The profiler's report of a job, in the place and with the files that SageMaker's ProfilerReport has.

    <output>/profiler-output/profiler-report.html       one file, nothing is loaded, light and dark
    <output>/profiler-output/profiler-report.ipynb      the same sections as a notebook
    <output>/profiler-output/profiler-reports/<RuleName>.json

`<output>` is a job's `rule-output/ProfilerReport`. It can be written at any time of a job, also again and again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from markupsafe import Markup

from tintype.profiler.breakdown import break_down
from tintype.profiler.instance_table import InstanceType
from tintype.profiler.limiter import diagnose
from tintype.profiler.machine import Machine
from tintype.profiler.readers import JobProfile
from tintype.profiler.rightsizing import GIB, right_size
from tintype.reports.page import environment, template_text
from tintype.reports.palette import custom_properties
from tintype.reports.profiler_advice import limits, money, verdicts
from tintype.reports.profiler_details import memory, operators, python
from tintype.reports.profiler_notebook import notebook
from tintype.reports.profiler_parts import Section
from tintype.reports.profiler_steps import breakdown, loader, steps
from tintype.reports.profiler_utilisation import shared, utilisation
from tintype.reports.wording import counted, moment, seconds
from tintype.rules.profiler_catalogue import write_judgements
from tintype.rules.profiler_rule import Judgement
from tintype.storage import write_bytes, write_json

FOLDER = "profiler-output"


@final
@dataclass(frozen=True)
class ProfilerReport:
    """Everything on the page."""

    name: str                                   # of the job
    verdict: str                                # one sentence
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    made_at: float                              # seconds since the epoch, UTC


def gather(
    name: str,
    job: JobProfile,
    judgements: Sequence[Judgement],
    instances: Sequence[InstanceType],
    made_at: float,
) -> ProfilerReport:
    """What there is to say of a job. `judgements` are of all rules; `made_at` is now, seconds since the epoch."""
    times, diagnosis = break_down(job), diagnose(job)
    by_rule = {one.rule: one for one in judgements}
    sections = (
        limits(diagnosis, judgements, [words for node in job.system().nodes if (words := shared(job, node))]),
        breakdown(job, times), utilisation(job),
        steps(job, times, by_rule.get("StepOutlier")),
        loader(job, times), operators(job, by_rule.get("OverallFrameworkMetrics")), memory(job, times), python(job),
        verdicts(judgements),
        money(right_size(job, instances)),
    )  # fmt: skip
    fired = sum(one.triggered > 0 for one in judgements)
    rules = f"{counted(fired, 'rule')} found something" if fired else "no rule found anything"
    limited = f"Limited by {diagnosis.limiter.limiter}" if diagnosis else "What limits it cannot be told"
    return ProfilerReport(name, f"{limited}; {rules}.", _facts(job), sections, made_at)


def _facts(job: JobProfile) -> tuple[tuple[str, str], ...]:
    extent = job.extent
    if extent is None:
        return (("Recorded", "nothing"),)
    facts = [("Start", moment(extent[0])), ("End", moment(extent[1])), ("Duration", seconds(extent[1] - extent[0]))]
    facts.append(("State", "ended" if job.has_ended else "still running, or killed"))
    for node in job.system().nodes:
        machine = job.machines.get(node)
        gpus = f", {counted(job.gpus(node), 'GPU')}" if job.gpus(node) else ""
        kind = f" ({machine.instance_type})" if machine and machine.instance_type else ""
        facts.append((node, f"{_cores(job, node)}{_memory(machine)}{gpus}{kind}"))
    damaged = job.system().damaged_lines + job.spans().damaged
    if damaged:
        facts.append(("Damaged lines", f"{damaged:,}, left out"))
    return tuple(facts)


def _cores(job: JobProfile, node: str) -> str:
    words = counted(job.cores(node), "core")
    return f"{words}, of which the job may use {job.usable_cores(node):g}" if job.has_part_of(node) else words


def _memory(machine: Machine | None) -> str:
    """Of a job that may not use all memory of its machine."""
    if machine is None or machine.memory_limit_bytes >= machine.memory_bytes:
        return ""
    return f", at most {machine.memory_limit_bytes / GIB:.3g} of {machine.memory_bytes / GIB:.3g} GiB of memory"


def render(report: ProfilerReport) -> str:
    """The page."""
    script = template_text("run_report.js")
    return environment().get_template("profiler_report.html").render(
        report=report,
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup(template_text("run_report.css") + template_text("profiler_report.css")),
        light=custom_properties("light"),
        dark=custom_properties("dark"),
    )


def write_profiler_report(report: ProfilerReport, judgements: Sequence[Judgement], output: Path) -> Path:
    """Write the page, the notebook and the rules' files below `output`; returns the page. Raises `StorageFailed`."""
    folder = output / FOLDER
    write_judgements(tuple(judgements), folder / "profiler-reports")
    write_json(folder / "profiler-report.ipynb", notebook(report.name, report.verdict, report.sections), durable=False)
    page = folder / "profiler-report.html"
    write_bytes(page, render(report).encode(errors="replace"), durable=False)
    return page
