"""The profiler's report of a job: the one that its rule ProfilerReport wrote, or one that is written now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job
from tintype.profiler.instance_table import DEFAULT_TABLE, read_instances
from tintype.profiler.limiter import Limiter, diagnose
from tintype.profiler.readers import JobProfile
from tintype.reports.profiler_report import FOLDER, gather, render
from tintype.rules.profiler_catalogue import PROFILER_REPORT, judge_profile, make_report_rules
from tintype.rules.rule_output import read_states
from tintype.storage import write_bytes

PAGE = "profiler.html"                  # in the job's folder


@final
@dataclass(frozen=True)
class ProfilerPage:
    """Where it is, and what it says in a sentence."""

    path: Path
    verdict: str


def profiler_page(job: Job, made_at: float) -> ProfilerPage | None:
    """The report of a job that was profiled, as far as it has come; None for one that was not.

    `made_at` is now, in seconds since the epoch. Raises `StorageFailed`.
    """
    directory = JobDirectory(Path(job.directory))
    profile = JobProfile(directory.profiler_output)
    if not profile.root.is_dir() or profile.extent is None:
        return None
    judged = [one for one in read_states(directory.rule_output) if one.rule == PROFILER_REPORT and one.status.is_final]
    pages = [directory.rule_output / one.name / FOLDER / "profiler-report.html" for one in judged]
    if (page := next((one for one in pages if one.is_file()), None)) is not None:
        return ProfilerPage(page, _verdict(profile))
    page = directory.root / PAGE
    if not (job.status.is_finished and page.is_file() and page.stat().st_mtime > job.ended_at):
        judgements = judge_profile(profile, make_report_rules())
        report = gather(job.name, profile, judgements, read_instances(DEFAULT_TABLE), made_at)
        write_bytes(page, render(report).encode(errors="replace"), durable=False)
    return ProfilerPage(page, _verdict(profile))


def _verdict(profile: JobProfile) -> str:
    """What limits the training, in one sentence."""
    found = diagnose(profile)
    if found is None:
        return "The machine was measured, but not the steps of the training: what limits it cannot be told."
    first = found.limiter
    if first.limiter is Limiter.COMPUTE:
        return f"The training was limited by {first.limiter}, which took {first.share:.0%} of its loop."
    return (
        f"The training was limited by {first.limiter}: {first.evidence}. It took {first.share:.0%} of the loop; "
        f"without it the training would be at most {first.bound:.1f} times as fast."
    )
