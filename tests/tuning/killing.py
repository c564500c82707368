"""Runs a tuning job whose coordinators are killed at random moments, and prints what came of it as JSON.

    python killing.py DIRECTORY KILLS SEED

Coordinators are forks of this process, which has everything imported, so that a life costs milliseconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import optuna  # noqa: F401 — so that no fork has to

from tintype.records import Records
from tintype.tuning.ranges import Continuous, Integer
from tintype.tuning.runner import Ended, Reported, TrialEvent
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState
from tintype.tuning.store import RecordTuningStore
from tintype.tuning.trial import Trial, TrialStatus
from tintype.tuning.tuner import Tuner

SETTINGS = TuningSettings(
    name="ants",
    space=Space((Continuous("lr", 0.001, 0.1), Integer("width", 16, 1024))),
    objective="loss",
    direction="Minimize",                       # pyright: ignore[reportArgumentType]
    max_jobs=60,
    max_parallel_jobs=2,
)
EPOCHS = 3
EPOCH_SECONDS = 0.004


class LoggedTrials:
    """Trials of a few milliseconds; each start is a line of a file before it is anything else."""

    capacity = 2

    def __init__(self, log: Path) -> None:
        self._log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._running: dict[str, int] = {}

    def start(self, trial: Trial) -> None:
        os.write(self._log, f"{trial.name}\n".encode())
        self._running[trial.name] = 0

    def events(self, timeout_seconds: float) -> Iterable[TrialEvent]:
        time.sleep(EPOCH_SECONDS)
        for name, epoch in list(self._running.items()):
            if epoch < EPOCHS:
                self._running[name] += 1
                yield Reported(name, epoch + 1, {"loss": 1 / (epoch + 1)})
            else:
                del self._running[name]
                yield Ended(name, TrialStatus.COMPLETED)

    def stop(self, trial_name: str) -> None:
        self._running.pop(trial_name, None)

    def close(self) -> None:
        os.close(self._log)


def coordinate(directory: Path) -> None:
    records = Records.open(f"sqlite:///{directory}/records.db")
    Tuner(SETTINGS, LoggedTrials(directory / "starts"), RecordTuningStore(records), time.time).run()
    records.close()


def fork(directory: Path) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            coordinate(directory)
            status = 0
        finally:
            os._exit(status)
    return pid


def now(directory: Path) -> TuningState | None:
    records = Records.open(f"sqlite:///{directory}/records.db")
    state = RecordTuningStore(records).find(SETTINGS.name)
    records.close()
    return state


def finished(state: TuningState | None) -> dict[str, Trial]:
    return {trial.name: trial for trial in state.trials if trial.status.is_finished} if state else {}


def starts(directory: Path) -> list[str]:
    log = directory / "starts"
    return log.read_text().splitlines() if log.exists() else []


def wait_for_a_start(directory: Path, lines: int) -> None:
    for _ in range(2000):
        if len(starts(directory)) > lines:
            return
        time.sleep(0.001)


def main(directory: Path, kills: int, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    done, lines, run_twice, changed = finished(None), 0, [], []
    killed = 0
    while True:
        pid = fork(directory)
        if killed < kills:
            if chance.random() < 0.8:           # otherwise while it still takes up the work of the one before
                wait_for_a_start(directory, lines)
            time.sleep(chance.uniform(0.0, 0.03))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        killed += os.WIFSIGNALED(status)
        state, log = now(directory), starts(directory)
        run_twice += [name for name in log[lines:] if name in done]
        changed += [name for name, trial in done.items() if finished(state).get(name) != trial]
        done, lines = finished(state), len(log)
        if state is not None and state.is_finished:
            break
        if os.WIFEXITED(status):
            raise SystemExit(f"a coordinator ended by itself with status {os.WEXITSTATUS(status)}")
    return {
        "killed": killed,
        "status": state.status.value,
        "numbers": [trial.number for trial in state.trials],
        "statuses": sorted({trial.status.value for trial in state.trials}),
        "unknown": sorted(set(log) - {trial.name for trial in state.trials}),
        "run_twice": run_twice,
        "changed": changed,
        "attempts": max(trial.attempt for trial in state.trials),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
