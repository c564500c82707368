"""The profiler's report: every figure always there, in a real browser too, small, hostile names harmless."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.reports.browser import browsing, find_chromium
from tests.rules.profiles import COMPUTING, WAITING, Told
from tintype.profiler.instance_table import read_instances
from tintype.profiler.phases import Outside
from tintype.profiler.readers import JobProfile, open_profile
from tintype.profiler.system_metrics import CPU_THROTTLED, PROCESS_CPU, PROCESS_RUNNABLE, TOTAL_CPU, Kind
from tintype.reports.profiler_parts import Figure, Lacking
from tintype.reports.profiler_report import ProfilerReport, gather, render, write_profiler_report
from tintype.rules.profiler_catalogue import PROFILER_RULES, judge_profile, make_report_rules

CHROMIUM = find_chromium()
SLOW = Told(
    seconds=30, steps=200, phases=WAITING, cpu=60.0, decoding=0.6, waiting_cpu=0.8, instance_type="ml.m5.xlarge",
    between={Outside.EVALUATION: 300.0, Outside.CHECKPOINT: 50.0},
)  # fmt: skip
ON_GPU = replace(SLOW, phases=COMPUTING, gpus=(30.0, 80.0), instance_type="ml.g4dn.12xlarge")
SECTIONS = ["limiter", "time", "utilisation", "steps", "loader", "operators", "memory", "python", "rules", "machine"]
MOST_BYTES = 1_500_000


def report_of(job: JobProfile, name: str = "dogs") -> ProfilerReport:
    return gather(name, job, judge_profile(job, make_report_rules()), read_instances(), 1_795_260_600.0)


def titles(report: ProfilerReport) -> list[str]:
    return [one.title for section in report.sections for one in section.figures]


@pytest.mark.parametrize("told", [SLOW, ON_GPU, Told(5.0), Told(0.0), Told(1, steps=1, phases=COMPUTING)])
def test_every_figure_has_its_place(tmp_path: Path, told: Told) -> None:
    report = report_of(told.write(tmp_path / "profile"))
    full = report_of(ON_GPU.write(tmp_path / "full"))
    assert [one.id for one in report.sections] == SECTIONS
    drawn = {one.title for section in report.sections for one in section.tables}
    assert set(titles(full)) <= {*titles(report), *drawn}
    for section in report.sections:
        for one in section.figures:
            assert one.drawing.startswith("<svg") if isinstance(one, Figure) else one.missing.reason.endswith(".")
    page = render(report)
    assert len(page.encode()) < MOST_BYTES
    assert "nan" not in page.split("<script>")[0].lower().replace("finance", "")


def test_it_tells_the_part_of_the_machine_that_a_quota_leaves(tmp_path: Path) -> None:
    used = {(Kind.CPU, "job", PROCESS_CPU): 148.0, (Kind.CPU, "total", TOTAL_CPU): 60.0}
    told = replace(SLOW, phases=COMPUTING, cores=32, usable_cores=1.5, cpu=60.0, instance_type="")
    told = replace(told, more={**used, (Kind.CPU, "job", CPU_THROTTLED): 43.0})
    report = report_of(told.write(tmp_path))
    page = render(report)
    assert ("algo-1", "32 cores, of which the job may use 1.5") in report.facts
    assert "may use 1.5 of the 32, and used 99 % of that in the median; its quota held it back in 43 % of" in page
    assert "held back by the quota of its container for 43 % of the time" in page
    assert "Other programs used" not in page                # 20 cores are idle: they take nothing away
    assert "Held back by a quota" in titles(report)


def test_it_names_the_limiter_the_bound_and_the_machine(tmp_path: Path) -> None:
    job = replace(SLOW, cpu=99.0, memory=10.0, cores=8, instance_type="ml.m5.2xlarge").write(tmp_path)
    page = render(report_of(job))
    assert "limited by decode" in page
    assert "times as fast" in page
    assert "ml.c5.2xlarge" in page
    assert "less memory for each core" in page


def test_computing_cannot_be_taken_away_but_it_may_be_held_back(tmp_path: Path) -> None:
    told = Told(seconds=30, steps=400, phases=COMPUTING, cpu=99.0)
    said = " ".join(report_of(told.write(tmp_path / "healthy")).sections[0].readings)
    assert "limited by compute" in said
    assert "times as fast" not in said
    crowded = replace(told, more={(Kind.CPU, "job", PROCESS_RUNNABLE): 12.0})
    said = " ".join(report_of(crowded.write(tmp_path / "crowded")).sections[0].readings)
    assert "is held back: 12.0 of the job's 4 threads want to run on 4 cores." in said
    assert "set torch.set_num_threads" in said


def test_the_files_are_sagemakers(tmp_path: Path) -> None:
    job = SLOW.write(tmp_path / "profile")
    judgements = judge_profile(job, make_report_rules())
    output = tmp_path / "rule-output" / "ProfilerReport"
    for _ in range(2):                          # it may be written again and again
        page = write_profiler_report(report_of(job), judgements, output)
    assert page == output / "profiler-output" / "profiler-report.html"
    files = {path.stem for path in (page.parent / "profiler-reports").glob("*.json")}
    assert files == set(PROFILER_RULES)
    notebook = json.loads((page.parent / "profiler-report.ipynb").read_text())
    assert notebook["nbformat"] == 4
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert all(len(cell["id"]) <= 64 for cell in notebook["cells"])
    shown = [cell["outputs"][0]["data"]["text/html"] for cell in notebook["cells"] if cell.get("outputs")]
    assert sum("<svg" in one for one in shown) >= 8


def test_hostile_names_are_text(tmp_path: Path) -> None:
    job = replace(SLOW, instance_type="<script>alert(1)</script>").write(tmp_path)
    page = render(report_of(job, "<img src=x onerror=alert(1)>"))
    assert "<img src=x" not in page
    assert "<script>alert" not in page


@pytest.mark.data
@pytest.mark.parametrize("traces", ["test_traces", "merge_traces", "model_timeline_traces"])
def test_aws_own_traces_have_a_report(shared_data: Callable[[str], Path], traces: str) -> None:
    report = report_of(open_profile(shared_data("aws-profiler-traces") / traces))
    assert any(isinstance(one, Lacking) for section in report.sections for one in section.figures)
    assert len(render(report)) < MOST_BYTES


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; on Debian: apt-get install chromium")
@pytest.mark.parametrize("told", [SLOW, ON_GPU, Told(0.0)])
def test_in_a_browser(tmp_path: Path, told: Told) -> None:
    job = told.write(tmp_path / "profile")
    page = write_profiler_report(report_of(job), judge_profile(job, make_report_rules()), tmp_path / "out")
    with browsing(str(CHROMIUM), tmp_path / "browser") as tab:
        for width in (1280, 420):
            tab.open(page.as_uri(), width=width, dark=width == 420)
            assert tab.complaints == []
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            for id in SECTIONS:
                assert tab.evaluate(f"document.getElementById({id!r}).getBoundingClientRect().height") > 40
            assert tab.evaluate("performance.getEntriesByType('resource').every(one => one.name.startsWith('data:'))")
        tab.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_program(tmp_path: Path) -> None:
    SLOW.write(tmp_path / "profile")
    command = [sys.executable, "-m", "tintype.reports.profiling", "--output", str(tmp_path / "out"), "--profile"]
    given = [*command, str(tmp_path / "profile"), "StepOutlier_stddev=4"]
    subprocess.run(given, check=True, capture_output=True)
    written = json.loads((tmp_path / "out" / "profiler-output" / "profiler-reports" / "StepOutlier.json").read_text())
    assert written["RuleParameters"].startswith("threshold:4\n")
    wrong = subprocess.run([*given, "StepOutlier_sddev=4"], check=False, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "StepOutlier_stddev" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    absent = subprocess.run([*command, str(tmp_path / "nothing")], check=False, capture_output=True, text=True)
    assert absent.returncode == 2
