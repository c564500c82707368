"""Trainings that are slowed on purpose: each must be named by the right rule and limiter, healthy ones by none.

    python -m benchmarks.slow_zoo [CASE ...]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.slow_zoo.training import CASES
from tintype.profiler.limiter import Limiter, diagnose
from tintype.profiler.readers import open_profile
from tintype.rules.profiler_catalogue import judge_profile, make_report_rules

ANY = None
# case -> (a rule that must fire, "" for none; what must be the limiter, None for any)
EXPECTED: dict[str, tuple[str, Limiter | None]] = {
    "healthy": ("", Limiter.COMPUTE),
    "healthy, more images": ("", Limiter.COMPUTE),
    "sleep in the loader": ("Dataloader", Limiter.LOADER_LATENCY),
    "one slow sample in a hundred": ("StepOutlier", Limiter.LOADER_LATENCY),
    "tiny batches": ("SmallBatchOverhead", Limiter.LAUNCH),
    "huge images": ("SlowDecode", Limiter.DECODE),
    "heavy transforms": ("Dataloader", Limiter.PREPARATION),
    "evaluation every step": ("", Limiter.EVALUATION),
    "checkpoint every step": ("", Limiter.CHECKPOINTING),
    "memory leak": ("MemoryLeak", ANY),
    "plotting after each step": ("", Limiter.BETWEEN),
    "summaries after each step": ("", Limiter.BETWEEN),
    "throttled reads": ("Dataloader", Limiter.LOADER_LATENCY),
    "far too many workers": ("Dataloader", ANY),
    "long initialization": ("MaxInitializationTime", Limiter.INITIALIZATION),
    "more threads than cores": ("Oversubscription", ANY),
    "two ranks, one slow": ("LoadBalancing", ANY),
}


def run(case: str, root: Path) -> tuple[set[str], Limiter | None]:
    """Train it with the sampler beside; (rules that fired, limiter)."""
    ranks = 2 if CASES[case].slow_rank else 1
    command = [sys.executable, "-m", "benchmarks.slow_zoo.training", case, str(root)]
    trainings = [subprocess.Popen([*command, str(rank)]) for rank in range(ranks)]
    sampler = subprocess.Popen(
        [sys.executable, "-m", "tintype.profiler", "--directory", str(root), "--pid", str(trainings[0].pid),
         "--interval-ms", "100"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for process in (*trainings, sampler):
        process.wait()
    job = open_profile(root)
    fired = {one.rule for one in judge_profile(job, make_report_rules()) if one.triggered}
    found = diagnose(job)
    return fired, found.limiter.limiter if found else None


def main(cases: list[str]) -> int:
    """Print the table; the exit status is the number of cases that were named wrongly."""
    wrong = 0
    for case in cases or list(CASES):
        rule, limiter = EXPECTED[case]
        with tempfile.TemporaryDirectory() as folder:
            fired, found = run(case, Path(folder))
        good = (rule in fired if rule else not case.startswith("healthy") or not fired) and limiter in (ANY, found)
        wrong += not good
        word, rules = "ok   " if good else "WRONG", ", ".join(sorted(fired)) or "-"
        print(f"{word} {case:32} {found or '-'!s:18} {rules}", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
