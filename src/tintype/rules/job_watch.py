"""Whether the training whose log is judged goes on, and if not, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, final

from tintype.errors import NotFound, TintypeError
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Status
from tintype.jobs.store import JobStore

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog


class Course(Enum):
    """Where a training is."""

    GOES_ON = "it goes on"
    ENDED = "it ended well"
    INTERRUPTED = "it was stopped, failed, or was killed"


@final
@dataclass(frozen=True)
class JobWatch:
    """Asks the job's record, its directory and its log. Without `store` or `name` there is no record to ask."""

    directory: Path
    store: JobStore | None = None
    name: str = ""

    def course(self, log: TensorLog, *, told: bool) -> Course:
        """Where the training is; `told` says that whoever started the rules says that it is over."""
        status = self.status()
        if status in (Status.FAILED, Status.STOPPED) or JobDirectory(self.directory).failure.is_file():
            return Course.INTERRUPTED
        if status is Status.COMPLETED:
            return Course.ENDED
        if told or log.ended:
            # A training that was asked to stop ends its log as one does that is done.
            return Course.ENDED if log.ended and status is not Status.STOPPING else Course.INTERRUPTED
        return Course.GOES_ON

    def status(self) -> Status | None:
        """What the job's record says; None without one, or when the store cannot be reached just now."""
        if self.store is None or not self.name:
            return None
        try:
            return self.store.get(self.name).status
        except NotFound:
            return None
        except TintypeError:            # a busy store: the log and the signal say it too
            return None

    def request_stop(self) -> None:
        """Ask the job to stop. Raises `NotFound` when there is no record of it, `Conflict` when it has ended."""
        if self.store is None or not self.name:
            raise NotFound("there is no record of a job to stop")
        self.store.request_stop(self.name)
