"""What a person may watch while a workflow runs: named events with typed arguments."""

from __future__ import annotations

from typing import Any, Protocol, final, runtime_checkable

from tintype.tuning.state import TuningState


@runtime_checkable
class Watcher(Protocol):
    """Told what happens, in order, on the thread that runs the workflow. It must return quickly."""

    def stage(self, name: str) -> None:
        """A new stage begins, e.g. "Checking the images"."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Part way through something within the stage."""

    def epoch(self, job: str, epoch: int, epochs: int, metrics: dict[str, float]) -> None:
        """A job has finished an epoch."""

    def trials(self, state: TuningState) -> None:
        """Some trial changed."""

    def note(self, text: str) -> None:
        """Something that was decided."""

    def warning(self, text: str) -> None:
        """Something to look at."""

    def line(self, text: str) -> None:
        """What a person's own script printed."""


@final
class Silent:
    """A `Watcher` that looks away."""

    def stage(self, name: str) -> None:
        """Nothing."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def epoch(self, job: str, epoch: int, epochs: int, metrics: dict[str, float]) -> None:
        """Nothing."""

    def trials(self, state: TuningState) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def warning(self, text: str) -> None:
        """Nothing."""

    def line(self, text: str) -> None:
        """Nothing."""


def pass_on(watcher: Watcher, job: str, event: dict[str, Any]) -> None:
    """Tell the watcher what a training job's event says."""
    match event["event"]:
        case "progress":
            watcher.progress(event["phase"], event["done"], event["total"])
        case "epoch":
            metrics = {name: value for name, value in event["metrics"].items() if value is not None}
            watcher.epoch(job, event["epoch"], event["epochs"], metrics)
        case "note":
            watcher.note(event["text"])
        case "warning":
            watcher.warning(event["text"])
        case _:
            pass
