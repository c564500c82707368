"""All processes of one attempt at a job: its hosts, its companions, and whatever those have started."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import final

from tintype.jobs import processes
from tintype.jobs.companion_process import CompanionProcess
from tintype.jobs.event_loop import EventLoop
from tintype.jobs.host_process import HostProcess
from tintype.jobs.specification import Companion

PEER_SECONDS = 30.0             # for the other hosts, when one has failed
PROGRAMS = "TINTYPE_PROGRAM_PIDS"       # in a companion's environment: the process of each host, by a comma


@final
class Crew:
    """Watched by the loop's thread. This process is the parent of all of them, also of those whose parent ended."""

    def __init__(self, hosts: Sequence[HostProcess], loop: EventLoop, note: Callable[[str], None]) -> None:
        self.hosts = hosts
        self.first_failed: int | None = None        # the host that ended badly before all others
        self.was_killed = False                     # by us
        self._loop = loop
        self._note = note
        self._companions: list[CompanionProcess] = []

    @property
    def is_training(self) -> bool:
        """Some host has not ended."""
        return any(host.is_running for host in self.hosts)

    @property
    def exit_codes(self) -> list[int]:
        """Of all hosts; negative: the signal. 0 for those that have not ended."""
        return [host.exit_code or 0 for host in self.hosts]

    def start_companion(self, companion: Companion, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        """Start a process beside the training. That it cannot be started is only noted."""
        known = {**environment, PROGRAMS: ",".join(str(host.pid) for host in self.hosts)}
        try:
            self._companions.append(CompanionProcess(companion, known, folder, log))
        except OSError as error:
            self._note(f"{companion.name} cannot be started: {error}")

    def reap(self) -> None:
        """Learn who has ended. When a host failed, the others are told to."""
        known = [one.pid for one in (*self.hosts, *self._companions)]
        # What an errand has started is waited for there.
        self._note_ends(processes.reap(known if self._loop.is_busy else processes.children_of(os.getpid())))

    def terminate(self, grace_seconds: float) -> None:
        """SIGTERM to the hosts' programs, who may tell their own children; SIGKILL to everything after the grace."""
        for host in self.hosts:
            host.send(signal.SIGTERM)
        if not self._loop.is_set("kill"):
            self._loop.set_alarm("kill", grace_seconds, self.kill)

    def kill(self) -> None:
        """SIGKILL to everything but the companions."""
        self.was_killed = True
        self._note_ends(processes.kill_descendants(self._spared))

    def end_leftovers(self) -> None:
        """The programs have ended: so must what they left behind, with what is left of a grace that was given."""
        if self._loop.is_set("kill"):
            for pid in processes.descendants_of(os.getpid(), self._spared):
                processes.send(pid, signal.SIGTERM)
            self._loop.run_until(lambda: not self._leftovers())
            self._loop.cancel("kill")
        self._note_ends(processes.kill_descendants(self._spared))

    def end_companions(self) -> None:
        """Tell the companions that the training is over, and wait until they are done or their time is."""
        for companion in self._companions:
            companion.send(signal.SIGTERM)
            self._loop.set_alarm(f"companion {companion.pid}", companion.grace_seconds, companion.kill)
        self._loop.run_until(lambda: all(one.exit_code is not None for one in self._companions))

    def processes(self) -> list[int]:
        """All but the companions."""
        return list(processes.descendants_of(os.getpid(), self._spared))

    @property
    def _spared(self) -> frozenset[int]:
        return frozenset(one.pid for one in self._companions)

    def _leftovers(self) -> bool:
        return any(True for _ in processes.descendants_of(os.getpid(), self._spared))

    def _note_ends(self, ended: Mapping[int, int]) -> None:
        for companion in self._companions:
            if companion.note_end(ended) and companion.exit_code and self.is_training:
                self._restart(companion)
        for index, host in enumerate(self.hosts):
            if host.note_end(ended) and host.exit_code and self.first_failed is None:
                self.first_failed = index
                self.terminate(PEER_SECONDS)

    def _restart(self, companion: CompanionProcess) -> None:
        code = companion.exit_code
        try:
            again = companion.start_again()
        except OSError as error:
            self._note(f"{companion.name} ended with exit code {code}, and cannot be started again: {error}")
            return
        if not again:
            self._note(f"{companion.name} ended with exit code {code}; see its log")
