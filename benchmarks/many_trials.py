"""A search of many trials of a trivial script, two at a time: does anything lock, and what does a trial cost?

    python -m benchmarks.many_trials [--trials 1000] [--strategy Random]

Prints wall seconds, and CPU milliseconds a trial of everybody: the engine's agent and fork server, the supervisors and
scripts (which the fork server's children are), the coordinator. The script alone is run as often in one process for
comparison. Raises when a trial did not complete, or when a log of ours has the word "locked".
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from tintype.jobs.client import Engine
from tintype.jobs.job import Resources
from tintype.pipeline import coordination
from tintype.pipeline.coordination import completed
from tintype.pipeline.script_jobs import ScriptRequest
from tintype.pipeline.searching import Search, script_plan
from tintype.pipeline.watching import Silent
from tintype.settings import Settings
from tintype.tuning.settings import StrategyName
from tintype.tuning.state import TuningState
from tintype.workspace import Workspace, open_workspace

SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
print(f"loss: {(parser.parse_args().lr - 0.3) ** 2:.8f}")
"""
NAME = "many"


def search(workspace: Workspace, trials: int, strategy: StrategyName) -> TuningState:
    """Run the tuning job to its end."""
    script = workspace.home.parent / "script.py"
    script.write_text(SCRIPT)
    request = ScriptRequest(str(script), metrics=("loss=loss: ([0-9.]+)",), resources=Resources(cores=1))
    wanted = Search(NAME, ["lr=0.0:1.0"], "loss", max_jobs=trials, max_parallel_jobs=2, strategy=strategy)
    plan = script_plan(workspace.records, wanted, request)
    return completed(coordination.begin(workspace, plan).follow(Silent()))


def engine_seconds(home: Path) -> dict[str, float]:
    """CPU seconds of the engine's processes, with their children that have ended, by what they are."""
    found: Counter[str] = Counter()
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(home) in words and (part := next((one for one in words if one.startswith("tintype.jobs")), "")):
            times = process.cpu_times()
            found[part] += times.user + times.system + times.children_user + times.children_system
    return dict(found)


def check(home: Path, state: TuningState, trials: int) -> None:
    """Raise when something went wrong that did not show."""
    counts = {status.value: count for status, count in state.counts.items() if count}
    if counts != {"Completed": trials}:
        raise RuntimeError(f"not all trials completed: {counts}")
    for log in (home / "run" / "agent.log", home / "tuning" / NAME / "coordinator.log"):
        if "locked" in log.read_text():
            raise RuntimeError(f"{log} tells of a lock")


def main(arguments: list[str]) -> None:
    """Run the search and print what it cost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--strategy", default="Random")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with open_workspace(Settings(home=home)) as workspace, Engine(workspace.settings, workspace.jobs) as engine:
            engine.warm_up()
            engine.pause(5.0)
            before, began, children = engine_seconds(home), time.perf_counter(), _children()
            state = search(workspace, given.trials, StrategyName(given.strategy))
            seconds, coordinator = time.perf_counter() - began, _children() - children
            after = engine_seconds(home)
        check(home, state, given.trials)
        began_alone = _children()
        for _ in range(20):
            command = [sys.executable, str(home.parent / "script.py"), "--lr", "0.5"]
            subprocess.run(command, check=True, capture_output=True)
        alone = (_children() - began_alone) / 20
    print(f"{given.trials} trials in {seconds:.1f} s, {1000 * seconds / given.trials:.0f} ms each on the wall")
    for part, spent in sorted(after.items()):
        print(f"{part:28} {1000 * (spent - before.get(part, 0.0)) / given.trials:6.1f} ms CPU a trial")
    print(f"{'tintype.pipeline.coordinator':28} {1000 * coordinator / given.trials:6.1f} ms CPU a trial")
    print(f"{'the script, a Python of its own':28} {1000 * alone:6.1f} ms CPU")


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
