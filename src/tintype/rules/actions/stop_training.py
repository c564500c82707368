"""Stops the job that is watched, gracefully: it ends after its step, and its checkpoint is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from tintype.errors import InvalidRequest
from tintype.rules.actions.action import Action, Occasion


@final
@dataclass(frozen=True)
class StopTraining(Action):
    """SageMaker's StopTraining. The job's name must begin with `prefix`, so that no other is ever stopped."""

    prefix: str = ""

    def perform(self, occasion: Occasion) -> str:
        """Ask the job to stop."""
        if not occasion.job:
            raise InvalidRequest("there is no job to stop: the log belongs to none")
        if not occasion.job.startswith(self.prefix):
            raise InvalidRequest(f"the job {occasion.job!r} does not begin with {self.prefix!r}; it was not stopped")
        occasion.request_stop()
        return f"asked the job {occasion.job} to stop"
