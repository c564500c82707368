"""Runs a tuning job of real jobs whose coordinators are killed at random moments, and prints what came of it as JSON.

    python killing.py DIRECTORY KILLS SEED

Coordinators are forks of this process, which has everything imported, so that a life costs little.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import optuna  # noqa: F401 — so that no fork has to

from tests.pipeline.tuning_home import opened, plan
from tintype.pipeline import coordination
from tintype.pipeline.coordinator import coordinate
from tintype.pipeline.tuning_plan import save_plan
from tintype.settings import Settings
from tintype.tuning.state import TuningStatus
from tintype.workspace import open_workspace

NAME = "ants"
TRIALS = 40
LONGEST_LIFE = 0.5
SCRIPT = """
import argparse, os, time
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--starts")
given = parser.parse_args()
descriptor = os.open(given.starts, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
os.write(descriptor, f"{given.lr!r}\\n".encode())
for epoch in range(2):
    time.sleep(0.02)
    print(f"Average test loss: {given.lr + 1 / (epoch + 1):.6f}", flush=True)
"""


def fork(home: Path) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            with open_workspace(Settings(home=home)) as workspace, workspace.engine() as engine:
                coordinate(workspace, engine, NAME)
            status = 0
        finally:
            os._exit(status)
    return pid


def main(directory: Path, kills: int, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    home, starts, killed = directory / "home", directory / "starts", 0
    with opened(home) as (workspace, _):
        save_plan(workspace.records, plan(
            workspace, SCRIPT, {"starts": str(starts)}, name=NAME, max_jobs=TRIALS, max_parallel_jobs=2
        ))  # fmt: skip
        while True:
            workspace.records.close()               # no connection may be there when we fork
            pid = fork(home)
            if killed < kills:
                time.sleep(chance.uniform(0.0, LONGEST_LIFE))
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            killed += os.WIFSIGNALED(status)
            state = coordination.tuning_state(workspace.records, NAME)
            if state.is_finished:
                break
            # One that was killed before it held its first lease is still awaited.
            if os.WIFEXITED(status) or state.status not in (TuningStatus.STOPPED, TuningStatus.IN_PROGRESS):
                raise SystemExit(f"a coordinator ended with status {status}, its tuning job is {state.status.value}")
        jobs = workspace.jobs.list(parent=NAME)
    begun = starts.read_text().split()
    return {
        "killed": killed,
        "status": state.status.value,
        "numbers": [trial.number for trial in state.trials],
        "statuses": sorted({trial.status.value for trial in state.trials}),
        "jobs": sorted({str(job.status) for job in jobs}),
        "without_trial": sorted({job.name for job in jobs} ^ {trial.name for trial in state.trials}),
        "begun_twice": sorted({lr for lr in begun if begun.count(lr) > 1}),
        "histories": sorted({len(trial.history) for trial in state.trials}),
        "attempts": max(trial.attempt for trial in state.trials),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
