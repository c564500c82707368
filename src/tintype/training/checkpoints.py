"""Checkpoints: `last.pt`, from which an interrupted job goes on as if nothing had happened, and `best.pt`.

Both are written whole or not at all, and loaded with `weights_only`: they hold tensors, numbers and strings.
Nothing random is stored, because every draw is a function of seed, epoch and step.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final

import torch

from tintype.errors import Conflict
from tintype.profiler.phases import Outside
from tintype.storage import atomic_file
from tintype.training.plan import TrainingPlan
from tintype.training.progress import Best, Progress
from tintype.training.session import Host

FORMAT = 1
# What may differ between the job that wrote a checkpoint and the one that goes on from it.
IMMATERIAL = {"name", "directory", "settings", "save", "checkpoint_seconds", "evaluate_every"}


class Stateful(Protocol):
    """Something a checkpoint keeps: torch's modules and optimisers, and our own counters."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, strings, and dicts and lists of these."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Become what `state_dict` says."""
        ...


def recipe_hash(plan: TrainingPlan, dataset: str) -> str:
    """Equal for jobs that would do the same: hex SHA-256 of the plan's essentials and the data set's fingerprint."""
    essentials = plan.model_dump_json(exclude=set(IMMATERIAL))
    return hashlib.sha256(f"{dataset}\n{essentials}".encode()).hexdigest()


@final
class Checkpoints:
    """The checkpoints of one job: its `progress`, and `parts` such as weights and optimiser.

    Only a process that `writes` does so, and none when the plan saves nothing.
    """

    def __init__(
        self, plan: TrainingPlan, dataset: str, progress: Progress, parts: Mapping[str, Stateful], *, writes: bool
    ) -> None:
        self._plan = plan
        self._recipe = recipe_hash(plan, dataset)
        self._progress = progress
        self._parts = {**parts, "progress": progress}
        self._writes = writes and plan.save != "none"
        self._saved_at = time.perf_counter()
        self._best_epoch = 0            # of the best.pt that we wrote or read

    @property
    def last(self) -> Path:
        """All that the loop needs to go on."""
        return self._plan.directory / "checkpoints" / "last.pt"

    @property
    def best(self) -> Path:
        """The best weights so far and what they scored."""
        return self._plan.directory / "checkpoints" / "best.pt"

    @property
    def due(self) -> bool:
        """True when the last checkpoint is as old as the plan allows."""
        return self._writes and time.perf_counter() - self._saved_at >= self._plan.checkpoint_seconds

    def save(self) -> None:
        """Write both. Raises `StorageFailed` when the disk is full; those from before stay as they were."""
        for file in self._both():
            file.write()

    @contextmanager
    def ending(self, host: Host) -> Iterator[None]:
        """Leave a training that was told to stop at once as it is, and any other `finishing`."""
        with ExitStack() as stack:
            with host.spans.outside(Outside.CHECKPOINT):
                if host.stop.after_step:
                    self.save()
                else:
                    stack.enter_context(self.finishing())
            yield

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Leave what the plan wants kept: of a trial the best weights, and that it ended; an archive can follow.

        What there is now is written while the block does something else, and is there when it ends.
        """
        of_trial = self._plan.save != "archive"
        files = list(self._of_trial() if of_trial else self._both())
        with ThreadPoolExecutor(1, thread_name_prefix="checkpoint") as pool:
            written = [pool.submit(file.write) for file in files]
            yield
        for one in written:
            one.result()
        if of_trial and files and self._writes:
            self.last.unlink(missing_ok=True)

    def restore(self, device: torch.device) -> bool:
        """Put progress and parts where the checkpoint says; False when there is none.

        Raises `Conflict` when it was written by another recipe or for other images.
        """
        last, best = self._read(self.last, device), self._read(self.best, device)
        if last is not None:
            for name, part in self._parts.items():
                part.load_state_dict(last[name])
        elif best is not None and best["ended"] is not None:
            self._progress.load_state_dict(best["ended"])
        else:
            return False
        if best is not None:
            self._progress.best = Best(best["epoch"], best["figures"], best["weights"])
            self._best_epoch = best["epoch"]
        return True

    def clear(self) -> None:
        """Remove what an earlier job left in the directory."""
        if self._writes:
            self.last.unlink(missing_ok=True)
            self.best.unlink(missing_ok=True)

    def _both(self) -> Iterator[_File]:
        best = self._progress.best
        if best is not None and best.epoch != self._best_epoch:
            yield self._best_file(best, ended=None)
            self._best_epoch = best.epoch
        yield self._file(self.last, {name: part.state_dict() for name, part in self._parts.items()})
        self._saved_at = time.perf_counter()

    def _of_trial(self) -> Iterator[_File]:
        if self._progress.best is not None:
            self._progress.ended = True
            yield self._best_file(self._progress.best, ended=self._progress.state_dict())

    def _best_file(self, best: Best, ended: Mapping[str, Any] | None) -> _File:
        kept = {"epoch": best.epoch, "figures": dict(best.figures), "weights": dict(best.weights), "ended": ended}
        return self._file(self.best, kept)

    def _file(self, path: Path, state: Mapping[str, Any]) -> _File:
        content = io.BytesIO()          # a full disk must show as our error, not as one of torch's archive writer
        if self._writes:
            torch.save({"format": FORMAT, "recipe": self._recipe, **state}, content)
        return _File(path, content)

    def _read(self, path: Path, device: torch.device) -> dict[str, Any] | None:
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise Conflict(f"the checkpoint {path} cannot be read; remove it, or train without --resume") from error
        if state.get("format") != FORMAT or state["recipe"] != self._recipe:
            raise Conflict(f"{path} belongs to another plan or to other images; train without --resume, or elsewhere")
        return state


@final
@dataclass(frozen=True, eq=False)
class _File:
    """A checkpoint that is to be written; without content, it is not."""

    path: Path
    content: io.BytesIO

    def write(self) -> None:
        with self.content.getbuffer() as content:
            if content:
                with atomic_file(self.path) as stream:
                    stream.write(content)
        self.content.close()
