"""What a supervisor is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final

from tintype.jobs.pace import Pace


@final
@dataclass(frozen=True)
class Assignment:
    """One job to look after, for one attempt."""

    name: str
    home: str
    pace: Pace
    hosts: int = 1
    gpus: tuple[int, ...] = ()          # the machine's GPUs that are the job's, all its hosts'

    def to_json(self) -> dict[str, Any]:
        """For the way to the fork server, or a command line."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Assignment:
        """The inverse of `to_json`."""
        return cls(**{**document, "pace": Pace(**document["pace"]), "gpus": tuple(document["gpus"])})
