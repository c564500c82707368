"""Trainings that are slowed on purpose: each must be named by the right rule and limiter, healthy ones by none.

    python -m benchmarks.slow_zoo [--keep FOLDER] [CASE ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.slow_zoo.cases import CASES, Case
from tintype.profiler.limiter import Limiter, diagnose
from tintype.profiler.readers import open_profile
from tintype.rules.profiler_catalogue import judge_profile, make_report_rules


def run(name: str, root: Path) -> tuple[set[str], Limiter | None]:
    """Train it with the sampler beside; (rules that fired, limiter)."""
    training = subprocess.Popen([sys.executable, "-m", "benchmarks.slow_zoo.training", name, str(root)])
    sampler = subprocess.Popen(
        [sys.executable, "-m", "tintype.profiler", "--directory", str(root), "--pid", str(training.pid),
         "--interval-ms", "100"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    if training.wait():
        sys.exit(f"the training {name!r} failed; what it said is above")
    sampler.wait()
    job = open_profile(root)
    fired = {one.rule for one in judge_profile(job, make_report_rules()) if one.triggered}
    found = diagnose(job)
    return fired, found.limiter.limiter if found else None


def is_right(case: Case, fired: set[str], limiter: Limiter | None) -> bool:
    """Whether the training was named as it must be."""
    named = not fired if case.is_healthy else not case.rule or case.rule in fired
    return named and case.limiter in (None, limiter)


def main() -> int:
    """Print the table; the exit status is the number of cases that were named wrongly."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_zoo", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", choices=[[], *CASES], help="; ".join(CASES))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the profiles here")
    given = parser.parse_args()
    wrong = 0
    for name in given.cases or CASES:
        with tempfile.TemporaryDirectory() as folder:
            root = given.keep / name.replace(" ", "-").replace(",", "") if given.keep else Path(folder)
            root.mkdir(parents=True, exist_ok=True)
            fired, limiter = run(name, root)
        good = is_right(CASES[name], fired, limiter)
        wrong += not good
        word, rules = "ok   " if good else "WRONG", ", ".join(sorted(fired)) or "-"
        print(f"{word} {name:34} {limiter or '-'!s:18} {rules}", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
