"""How often the engine looks, and how long it waits."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import final


@final
@dataclass(frozen=True)
class Pace:
    """Seconds, all of them monotonic. The agent hands them on to its supervisors."""

    tick: float = 1.0               # the agent compares records with processes at least this often
    heartbeat: float = 2.0          # a supervisor renews its lease
    lease: float = 30.0             # a supervisor that did not renew for so long has lost its job
    grace: float = 120.0            # from SIGTERM to SIGKILL, as SageMaker has it
    flush: float = 0.25             # new metrics reach the store
    mirror: float = 5.0             # between two looks for checkpoints that are to be copied to a URL
    settle: float = 0.2             # a phase that is over sooner is recorded together with the next

    def to_text(self) -> str:
        """For a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Pace:
        """The inverse of `to_text`."""
        return cls(**json.loads(text))
