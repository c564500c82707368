"""A home with an agent whose fork server loads nothing, and tuning jobs of a small script over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tintype.jobs.client import Engine
from tintype.jobs.job import Resources
from tintype.pipeline.script_jobs import ScriptRequest
from tintype.pipeline.searching import Search, script_plan
from tintype.pipeline.tuning_plan import TuningPlan
from tintype.settings import Settings
from tintype.workspace import Workspace, open_workspace

SCRIPT = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--optimizer", default="sgd")
parser.add_argument("--seconds", type=float, default=0.0)
given = parser.parse_args()
for epoch in range(given.epochs):
    time.sleep(given.seconds)
    print(f"Average test loss: {abs(given.lr - 0.03) + 1 / (epoch + 1):.6f}", flush=True)
"""
METRIC = "average test loss=Average test loss: ([0-9.]+)"


@contextmanager
def opened(home: Path, **settings: Any) -> Iterator[tuple[Workspace, Engine]]:
    """The workspace of a home, and its engine."""
    with open_workspace(Settings(home=home, **settings)) as workspace:
        engine = Engine(workspace.settings, workspace.jobs, preload="json")
        with engine:
            engine.warm_up()            # now, so that no coordinator starts an agent that loads torch
            yield workspace, engine


def plan(
    workspace: Workspace,
    text: str = SCRIPT,
    parameters: dict[str, str] | None = None,
    metric: str = METRIC,
    **search: Any,
) -> TuningPlan:
    """A search over lr of a script, which is written beside the home."""
    script = workspace.home.parent / "script.py"
    script.write_text(text)
    request = ScriptRequest(
        entry_point=str(script), hyperparameters=parameters or {}, metrics=(metric,), resources=Resources(cores=1)
    )
    given = {"name": "ants", "ranges": ["lr=0.001:0.1:log"], "objective": "average test loss", **search}
    return script_plan(workspace.records, Search(**given), request)
