"""`python -m tintype.reports.profiler_job --job-directory DIR --job NAME` judges the profile of a job, and reports it.

Reads `input/config/profilerrules.json`. While the training goes on, the report is written anew now and then; SIGTERM
says that it is over, and then every rule has its verdict in `rule-output/<name>`. Exit code 0 whatever is found, 2 when
it is told something that is no set of rules.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tintype.errors import StorageFailed, TintypeError
from tintype.jobs.directory import JobDirectory
from tintype.profiler.instance_table import DEFAULT_TABLE, read_instances
from tintype.profiler.readers import JobProfile, open_profile
from tintype.profiler.system_metrics import END_MARKER, SYSTEM
from tintype.reports.profiler_report import FOLDER, gather, write_profiler_report
from tintype.rules.profiler_catalogue import judge_profile, write_judgements
from tintype.rules.profiler_configuration import (
    PROFILER_RULES_FILE,
    ProfilerRuleConfiguration,
    parse_profiler_rules,
)
from tintype.rules.profiler_output import begin_profiler_rule, conclude_profiler_rule
from tintype.rules.profiler_rule import Judgement
from tintype.storage import read_json

SHARE = 0.01                            # of a core that the report takes while the training goes on
LEAST_PAUSE_SECONDS = 60.0
SAMPLER_SECONDS = 5.0                   # for the sampler to write its last line
LOOK_SECONDS = 0.02


@final
@dataclass
class ProfilerJob:
    """The profiler rules of one job, and where their verdicts go."""

    name: str
    directory: JobDirectory
    rules: Sequence[ProfilerRuleConfiguration]
    clock: Callable[[], float]          # seconds since the epoch

    def begin(self) -> None:
        """Say that all look on. Raises `StorageFailed`."""
        for rule in self.rules:
            begin_profiler_rule(self.directory.rule_output, rule, self.clock())

    def refresh(self) -> None:
        """Write the reports as they are now; verdicts wait for the end. Raises `StorageFailed`."""
        job = open_profile(self.directory.profiler_output)
        for rule in self.rules:
            if rule.is_report:
                self._report(rule, job, judge_profile(job, rule.make()))

    def conclude(self) -> None:
        """The training is over: reports and verdicts. Raises `StorageFailed`."""
        job = open_profile(self.directory.profiler_output)
        for rule in self.rules:
            judgements = self._judge(rule, job)
            if rule.is_report:
                self._report(rule, job, judgements)
            else:
                folder = self.directory.rule_output / rule.name / FOLDER / "profiler-reports"
                write_judgements(judgements, folder)
            conclude_profiler_rule(self.directory.rule_output, rule, judgements, self.clock())

    def _judge(self, rule: ProfilerRuleConfiguration, job: JobProfile) -> tuple[Judgement, ...]:
        try:
            return judge_profile(job, rule.make(self.directory.root))
        except TintypeError as error:                   # a user's file that is not there, or no rule
            return (Judgement(rule.rule, "", missing=str(error), crashed=True),)

    def _report(self, rule: ProfilerRuleConfiguration, job: JobProfile, judgements: tuple[Judgement, ...]) -> None:
        report = gather(self.name, job, judgements, read_instances(DEFAULT_TABLE), self.clock())
        write_profiler_report(report, judgements, self.directory.rule_output / rule.name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse `arguments` (without the program's name), look on, judge, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tintype.reports.profiler_job", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--job-directory", type=Path, required=True, help="the directory of the job")
    parser.add_argument("--job", default="training job", help="the name of the job")
    parser.add_argument("--once", action="store_true", help="judge what there is now, as if the training were over")
    given = parser.parse_args(arguments)
    directory = JobDirectory(given.job_directory)
    try:
        rules = parse_profiler_rules(read_json(directory.config / PROFILER_RULES_FILE))
        job = ProfilerJob(given.job, directory, rules, time.time)
        if not given.once:
            _follow(job)
        job.conclude()
    except TintypeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _follow(job: ProfilerJob) -> None:
    """Until SIGTERM, which this process does not hear any more in another way."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})      # waited for between reports, see _told
    job.begin()
    pause = LEAST_PAUSE_SECONDS
    while not _told(pause):
        before = time.process_time()
        try:
            job.refresh()
        except StorageFailed as error:                  # a full disk may have room at the end
            sys.stderr.write(f"{error}\n")
        pause = max(LEAST_PAUSE_SECONDS, (time.process_time() - before) / SHARE)
    marker, until = job.directory.profiler_output / SYSTEM / END_MARKER, time.monotonic() + SAMPLER_SECONDS
    while not marker.exists() and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)


def _told(seconds: float) -> bool:
    """Wait; whether SIGTERM has come meanwhile."""
    return signal.sigtimedwait({signal.SIGTERM}, seconds) is not None


if __name__ == "__main__":
    sys.exit(main())
