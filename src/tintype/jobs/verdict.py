"""What becomes of a job when its processes have ended. Pure: facts in, decision out."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import final

from tintype.jobs.job import Phase, Status

# Signals that come from outside, to make room or to shut down: the program did nothing wrong.
INTERRUPTIONS = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT, -signal.SIGPWR})


class Cause(Enum):
    """Why the engine ended the training before its own end."""

    STOP = "somebody asked for a stop"
    MAX_RUNTIME = "its time was up"
    ENGINE = "something that the engine needs failed"
    MEMORY = "it took more memory than it claimed, and the machine had none left"


@final
@dataclass(frozen=True)
class Verdict:
    """The job's next state; `status` None means that it is to be started again."""

    status: Status | None
    phase: Phase | None = None          # where it is not the status's own
    failed_host: int | None = None      # whose exit code and last lines say why


def verdict(exit_codes: Sequence[int], first_failed: int | None, cause: Cause | None, *, may_restart: bool) -> Verdict:
    """Decide by the exit codes of all hosts (negative: signals), the host that failed first, and the engine's cause.

    `may_restart`: there are retries left, and the machine did not run out of memory, which would happen again.
    """
    if cause is Cause.STOP:
        return Verdict(Status.STOPPED)
    if cause is Cause.MAX_RUNTIME:
        return Verdict(Status.STOPPED, Phase.MAX_RUNTIME_EXCEEDED)
    if cause in (Cause.ENGINE, Cause.MEMORY):
        return Verdict(Status.FAILED)
    if first_failed is None:
        return Verdict(Status.COMPLETED)
    if may_restart and exit_codes[first_failed] in INTERRUPTIONS:
        return Verdict(None, failed_host=first_failed)
    return Verdict(Status.FAILED, failed_host=first_failed)
