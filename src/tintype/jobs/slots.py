"""Which waiting jobs may start: what each takes of the machine, and whose turn it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import final

from tintype.jobs.instances import Machine, share
from tintype.jobs.specification import Resources


@final
@dataclass(frozen=True)
class Place:
    """A job that waits or runs, as the queue sees it. Of the machine it takes what all of its hosts get."""

    name: str
    parent: str                 # jobs of one parent share its turn; a job without one has a turn of its own
    cores: int
    memory_bytes: int
    gpus: int

    @classmethod
    def of(cls, name: str, parent: str, wanted: Resources, machine: Machine) -> Place:
        """The place of a job. `InvalidRequest` when it can never have it on this machine."""
        granted, hosts = share(wanted, machine), wanted.instance_count
        cores = min(granted.cores * hosts, machine.cores)       # more hosts than cores have to share them
        return cls(name, parent or name, cores, granted.memory_bytes * hosts, granted.gpus * hosts)


def next_to_start(waiting: Sequence[Place], running: Iterable[Place], machine: Machine) -> list[Place]:
    """Those of `waiting` (oldest first) that start now.

    Whose parent has the fewest running is next, then who has waited longest. When the next one does not fit, nobody
    overtakes it: small jobs must not keep a large one waiting for ever.
    """
    free = machine
    turns: Counter[str] = Counter()
    for place in running:
        free, turns[place.parent] = _without(free, place), turns[place.parent] + 1
    queue, chosen = list(waiting), []
    while queue:
        place = min(queue, key=lambda one: turns[one.parent])
        if not _fits(place, free):
            break
        queue.remove(place)
        chosen.append(place)
        free, turns[place.parent] = _without(free, place), turns[place.parent] + 1
    return chosen


def gpus_for(
    chosen: Iterable[Place], taken: Iterable[Sequence[int]], machine: Machine
) -> dict[str, tuple[int, ...]]:
    """By name, the numbers of the machine's GPUs that each of `chosen` gets: none that a running job has `taken`."""
    used = {gpu for gpus in taken for gpu in gpus}
    free = (gpu for gpu in range(machine.gpus) if gpu not in used)
    return {place.name: tuple(islice(free, place.gpus)) for place in chosen}


def _fits(place: Place, free: Machine) -> bool:
    return place.cores <= free.cores and place.memory_bytes <= free.memory_bytes and place.gpus <= free.gpus


def _without(free: Machine, place: Place) -> Machine:
    return Machine(free.cores - place.cores, free.memory_bytes - place.memory_bytes, free.gpus - place.gpus)
