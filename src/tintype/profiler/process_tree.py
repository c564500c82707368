"""A process and all its descendants, followed cheaply: known ones at each look, new ones every few looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

from tintype.profiler.proc import TICKS_PER_SECOND, Proc, ProcessCounters

LOOKS_PER_SEARCH = 6                    # a search reads every process of the machine; loader workers live for longer
GONE = {"Z", "X", "x"}                  # states of a process that has ended and was not waited for


@final
class TreeUse(NamedTuple):
    """What a tree of processes uses."""

    cpu_seconds: float                  # used since the first look; never falls, also when a process ends
    threads: int
    resident_bytes: int
    processes: int


class ProcessTree:
    """Follows the tree below one process. A process that took over its id is another one, and is not followed."""

    def __init__(self, proc: Proc, process_id: int) -> None:
        self._proc = proc
        self.process_id = process_id
        first = proc.process(process_id)
        self._started = first.started if first else -1
        self._seen: dict[int, tuple[int, int]] = {}         # id -> (started, ticks at the last look)
        self._ticks = 0
        self._looks = 0
        self._members = [process_id]

    @property
    def members(self) -> Sequence[int]:
        """The processes that the last look found."""
        return self._members

    @property
    def is_alive(self) -> bool:
        """Whether the process at the root is there, and not merely unburied."""
        now = self._proc.process(self.process_id)
        return now is not None and now.started == self._started and now.state not in GONE

    def look(self) -> TreeUse:
        """What the tree uses now."""
        if self._looks % LOOKS_PER_SEARCH == 0:
            self._members = self._search()
        else:
            self._members = self._with_children(self._members)
        self._looks += 1
        threads = resident = alive = 0
        for member in self._members:
            now = self._proc.process(member)
            if now is None or now.state in GONE:
                continue
            self._count(member, now)
            threads, resident, alive = threads + now.threads, resident + now.resident_bytes, alive + 1
        return TreeUse(self._ticks / TICKS_PER_SECOND, threads, resident, alive)

    def _count(self, member: int, now: ProcessCounters) -> None:
        started, before = self._seen.get(member, (now.started, now.ticks if self._looks == 1 else 0))
        if started == now.started:
            self._ticks += now.ticks - before
        self._seen[member] = (now.started, now.ticks)

    def _with_children(self, members: list[int]) -> list[int]:
        """And the processes that they forked meanwhile, where the kernel tells; a search finds the others later."""
        found, known = list(members), set(members)
        for member in found:                                # it grows: children have children
            new = [one for one in self._proc.children(member) if one not in known]
            found += new
            known.update(new)
        return found

    def _search(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for one in self._proc.process_ids():
            counters = self._proc.process(one)
            if counters is not None:
                children.setdefault(counters.parent, []).append(one)
        found, open_ends = [self.process_id], [self.process_id]
        while open_ends:
            below = children.get(open_ends.pop(), [])
            found += below
            open_ends += below
        return found
