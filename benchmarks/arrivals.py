"""Requests at given moments, whatever becomes of those before: an open loop, as of callers who know nothing of others.

wrk sends only over connections that are free, and counts from when it sends; here each request has its moment, goes out
then over a connection of its own if need be, and its latency is counted from that moment. Python is quick enough for
the few dozen photographs a second that two cores can answer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.load import Bodies

SEED = 1


@dataclass(frozen=True)
class Answered:
    """What became of the requests."""

    milliseconds: list[float]       # of all, sorted
    statuses: dict[str, int]
    seconds: float

    def percentile(self, share: float) -> float:
        """Milliseconds that `share` per cent of the requests were within."""
        return percentile(self.milliseconds, share)


def percentile(numbers: Sequence[float], share: float) -> float:
    """The number that `share` per cent of those sorted ones are not above."""
    return numbers[min(len(numbers) - 1, int(len(numbers) * share / 100))]


def moments(rate: float, seconds: float) -> list[float]:
    """When to send, in seconds from the start: a Poisson process, the same each time."""
    random_numbers, found, at = random.Random(SEED), [], 0.0
    while (at := at + random_numbers.expovariate(rate)) < seconds:
        found.append(at)
    return found


def even_moments(rate: float, seconds: float) -> list[float]:
    """When to send, in seconds from the start: at equal distances, as generators of a constant rate do."""
    return [number / rate for number in range(1, int(rate * seconds))]


def one_after_another(due: Sequence[float], service: float) -> list[float]:
    """Milliseconds that each of these would take by a server that needs `service` seconds for each and nothing else."""
    found, free = [], 0.0
    for at in due:
        free = max(free, at) + service
        found.append(1e3 * (free - at))
    return sorted(found)


def arrive(url: str, bodies: Bodies, due: Sequence[float]) -> Answered:
    """Send the bodies in turn at those moments, and wait for all answers."""
    return asyncio.run(_Callers(url, bodies).arrive(due))


class _Callers:
    def __init__(self, url: str, bodies: Bodies) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        files = [Path(one).read_bytes() for one in bodies.listing.read_text().splitlines()]
        start = f"POST {parts.path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {bodies.content_type}\r\n"
        self._requests = [f"{start}Content-Length: {len(one)}\r\n\r\n".encode() + one for one in files]
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._milliseconds: list[float] = []
        self._statuses: Counter[str] = Counter()

    async def arrive(self, due: Sequence[float]) -> Answered:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, at in enumerate(due):
                await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
                group.create_task(self._ask(self._requests[number % len(self._requests)], began + at))
        for _, writer in self._free:
            writer.close()
        return Answered(sorted(self._milliseconds), dict(self._statuses), time.perf_counter() - began)

    async def _ask(self, request: bytes, due: float) -> None:
        reader, writer, head = await self._sent(request)
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(int(length.partition(":")[2]))
        self._milliseconds.append(1e3 * (time.perf_counter() - due))
        self._statuses[head.split()[1]] += 1
        self._free.append((reader, writer))

    async def _sent(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        """A connection on which the request was sent, and the head of its answer; one that has been shut is left."""
        while True:
            is_kept = bool(self._free)
            reader, writer = self._free.pop() if is_kept else await asyncio.open_connection(self._host, self._port)
            try:
                writer.write(request)
                return reader, writer, (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            except (asyncio.IncompleteReadError, ConnectionError):
                if not is_kept:
                    raise
