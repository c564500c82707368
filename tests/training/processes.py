"""The trainer as a process of its own, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from tintype.training.plan import TrainingPlan, save_plan

COMMAND = (sys.executable, "-m", "tintype.training")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def plan_file(plan: TrainingPlan) -> str:
    """The plan, written into its own directory."""
    path = plan.directory / "input" / "config" / "plan.json"
    save_plan(path, plan)
    return str(path)


@contextmanager
def started(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A trainer; it is gone at the end of the block, however that ends."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT | (environment or {}),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def events_of(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """Its events as they come, until it closes its output."""
    return (json.loads(line) for line in cast(IO[str], process.stdout))


def until(events: Iterator[dict[str, Any]], kind: str, job: str | None = None) -> list[dict[str, Any]]:
    """The events up to the first of a kind (and a job), that one included."""
    found: list[dict[str, Any]] = []
    for event in events:
        found.append(event)
        if event["event"] == kind and job in (None, event.get("job")):
            return found
    raise AssertionError(f"it ended without {kind}: {found}")


def finished(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, events and standard error of a trainer that runs to its end."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def written(directory: Path, name: str) -> Path:
    """A file below a job's directory, which must be there."""
    path = directory / name
    assert path.is_file(), f"{path} is missing; there are {sorted(map(str, directory.rglob('*')))}"
    return path
