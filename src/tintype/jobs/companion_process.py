"""A process beside a job's training, e.g. the system sampler: started after it, told of its end, given time."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import final

from tintype.jobs import processes
from tintype.jobs.specification import Companion


@final
class CompanionProcess:
    """SIGTERM tells it that the training has ended. What it prints goes to a file of its own.

    It starts with SIGTERM blocked, and unblocks it when it can hear it: a training of a second is over before a process
    has imported what it needs, and must not end it unheard.
    """

    def __init__(self, companion: Companion, environment: Mapping[str, str], directory: Path, log: Path) -> None:
        self.name = companion.name
        self.grace_seconds = companion.grace_seconds
        self.exit_code: int | None = None
        self._companion, self._directory, self._log = companion, directory, log
        self._environment = {**environment, **companion.environment}
        self._restarts = companion.restarts
        self.pid = self._start()

    def _start(self) -> int:
        with self._log.open("ab") as stream, _blocked(signal.SIGTERM):
            process = subprocess.Popen(
                self._companion.command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=self._directory,
                env=self._environment,
                process_group=0,
            )
        process.returncode = 0          # its exit code is collected with those of all other children
        return process.pid

    def start_again(self) -> bool:
        """After it has failed: a new process, while there are restarts left. Raises `OSError`."""
        if self._restarts <= 0:
            return False
        self._restarts -= 1
        self.pid, self.exit_code = self._start(), None
        return True

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it has not ended."""
        if self.exit_code is None:
            processes.send(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to it; what it started is found when the job ends."""
        self.send(signal.SIGKILL)

    def note_end(self, ended: Mapping[int, int]) -> bool:
        """Take its exit code from those of all that ended; True when it is among them."""
        if self.exit_code is None:
            self.exit_code = ended.get(self.pid)
        return self.pid in ended


@contextmanager
def _blocked(number: signal.Signals) -> Iterator[None]:
    """What is started meanwhile inherits that the signal waits."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
