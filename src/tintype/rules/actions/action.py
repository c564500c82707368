"""What an action is, and what it is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from tintype.rules.finding import Finding


@final
@dataclass(frozen=True)
class Occasion:
    """A rule that has found its first issue."""

    job: str                            # "" when the log belongs to no job
    rule: str                           # the name of its configuration
    details: str                        # StatusDetails
    finding: Finding
    request_stop: Callable[[], None]    # asks the job to stop; raises `TintypeError` when that cannot be

    @property
    def sentence(self) -> str:
        """The issue in one line."""
        where = f" in job {self.job}" if self.job else ""
        return f"rule {self.rule}{where}, step {self.finding.step}: {self.finding.message}"


class Action(ABC):
    """Something to do, once for each rule that finds an issue."""

    @abstractmethod
    def perform(self, occasion: Occasion) -> str:
        """Do it, and say in one line what was done. Raises `TintypeError` when it could not be."""
