"""Where the files of a job are: SageMaker's `/opt/ml`, below the job's own directory.

    <directory>/
      input/config/{hyperparameters.json, plan.json}
      input/data/<channel>/
      code/                     the user's script, in script mode
      model/                    what becomes model.tar.gz
      model.tar.gz
      checkpoints/
      output/data/              measurements, evaluations, predictions
      output/failure            the reason, when it failed
      logs/training.log         all that it said, one timestamped line each
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tintype.storage import storage_errors, write_json


@final
@dataclass(frozen=True)
class JobDirectory:
    """The paths of one job. Nothing is made before `prepare`."""

    root: Path

    @property
    def plan(self) -> Path:
        """What the command is told."""
        return self.root / "input" / "config" / "plan.json"

    @property
    def hyperparameters(self) -> Path:
        """SageMaker's flat {name: string} file."""
        return self.root / "input" / "config" / "hyperparameters.json"

    @property
    def archive(self) -> Path:
        """The packed model."""
        return self.root / "model.tar.gz"

    @property
    def data(self) -> Path:
        """Measurements, evaluations and predictions."""
        return self.root / "output" / "data"

    @property
    def failure(self) -> Path:
        """The reason of a failure, as the command wrote it."""
        return self.root / "output" / "failure"

    @property
    def log(self) -> Path:
        """All lines that the job said, with their times."""
        return self.root / "logs" / "training.log"

    def prepare(self, plan: Mapping[str, Any], hyperparameters: Mapping[str, Any]) -> None:
        """Make the directories and write the two input files. Raises `StorageFailed`."""
        with storage_errors(self.root):
            for directory in (self.plan.parent, self.data, self.log.parent):
                directory.mkdir(parents=True, exist_ok=True)
        # Not durable: after a power cut the record is what counts, and it holds the plan too.
        write_json(self.plan, plan, durable=False)
        write_json(self.hyperparameters, {name: str(value) for name, value in hyperparameters.items()}, durable=False)

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines of the log, oldest first; nothing when there is none."""
        try:
            with self.log.open(errors="replace") as stream:
                return tuple(line.rstrip("\n") for line in deque(stream, maxlen=lines))
        except FileNotFoundError:
            return ()
