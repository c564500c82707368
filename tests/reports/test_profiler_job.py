"""The process that judges a job's profile, beside it and at its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tintype.jobs.directory import JobDirectory
from tintype.profiler.system_metrics import END_MARKER, SYSTEM
from tintype.reports.profiler_job import main
from tintype.rules.rule_output import read_states
from tintype.rules.status import RuleStatus
from tintype.storage import write_json

RULES = [{"name": "ProfilerReport"}, {"name": "Outliers", "rule": "StepOutlier"}]


def job(root: Path, rules: object = RULES) -> JobDirectory:
    directory = JobDirectory(root)
    directory.lay_out()
    write_json(directory.config / "profilerrules.json", rules)
    return directory


def test_it_looks_on_until_it_is_told_of_the_end(tmp_path: Path) -> None:
    directory = job(tmp_path)
    command = [sys.executable, "-m", "tintype.reports.profiler_job", "--job-directory", str(tmp_path), "--job", "a"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    until = time.monotonic() + 120
    while len(read_states(directory.rule_output)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert {one.status for one in read_states(directory.rule_output)} == {RuleStatus.IN_PROGRESS}
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert process.poll() is None                       # the sampler has not written its last line yet
    (directory.profiler_output / SYSTEM).mkdir()
    (directory.profiler_output / SYSTEM / END_MARKER).touch()
    assert process.wait(120) == 0
    assert {one.status for one in read_states(directory.rule_output)} == {RuleStatus.NO_ISSUES_FOUND}


def test_a_job_that_was_killed_at_once_has_a_report_that_says_why_it_is_empty(tmp_path: Path) -> None:
    directory = job(tmp_path)
    assert main(["--job-directory", str(tmp_path), "--job", "gone", "--once"]) == 0
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    page = (directory.rule_output / "ProfilerReport" / "profiler-output" / "profiler-report.html").read_text()
    assert "No steps were recorded" in page
    report, outliers = (read_states(directory.rule_output)[at] for at in (1, 0))
    assert not outliers.evaluated
    assert report.status is RuleStatus.NO_ISSUES_FOUND
    written = directory.rule_output / "Outliers" / "profiler-output" / "profiler-reports" / "StepOutlier.json"
    assert json.loads(written.read_text())["RuleTriggered"] == 0


def test_what_is_no_set_of_rules_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job(tmp_path, [{"name": "NoSuchRule"}])
    assert main(["--job-directory", str(tmp_path), "--once"]) == 2
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    assert "NoSuchRule" in capsys.readouterr().err
