"""`python -m tintype.reports.profiling --profile D --output O`: judges a profile and writes its report.

A supervisor runs it when a job has ended, or while it runs, as often as wanted.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tintype.errors import InvalidRequest, TintypeError
from tintype.profiler.instance_table import DEFAULT_TABLE, read_instances
from tintype.profiler.readers import open_profile
from tintype.reports.profiler_report import gather, write_profiler_report
from tintype.rules.profiler_catalogue import judge_profile, make_report_rules
from tintype.rules.rule import Profile


def main(arguments: list[str] | None = None) -> int:
    """Write the report; returns the exit status: 0, or the error's."""
    parser = argparse.ArgumentParser(prog="python -m tintype.reports.profiling", description=__doc__)
    parser.add_argument("--profile", type=Path, required=True, help="the job's profiler-output")
    parser.add_argument("--output", type=Path, required=True, help="the job's rule-output/ProfilerReport")
    parser.add_argument("--name", default="training job", help="the name of the job")
    parser.add_argument("--instances", type=Path, default=DEFAULT_TABLE, help="instance types and prices, CSV or JSON")
    parser.add_argument("--sagemaker", action="store_true", help="judge exactly as SageMaker's rules do")
    parser.add_argument("parameters", nargs="*", help="RuleName_parameter=value, e.g. CPUBottleneck_cpu_threshold=90")
    given = parser.parse_args(arguments)
    try:
        parameters = dict(_pair(text) for text in given.parameters)
        rules = make_report_rules(parameters, Profile.SAGEMAKER if given.sagemaker else Profile.RIGHT)
        job = open_profile(given.profile)
        judgements = judge_profile(job, rules)
        report = gather(given.name, job, judgements, read_instances(given.instances), time.time())
        write_profiler_report(report, judgements, given.output)
    except TintypeError as error:
        print(f"tintype.reports.profiling: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise InvalidRequest(f"{text!r} is not RuleName_parameter=value")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
