"""Blocks of a body on their way into a function that takes long: in their order, in threads, and never many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import final

MOST_WAITING = 3                # blocks; who brings one more waits


@final
class Lane:
    """What has come in while the thread worked is its next work, all of it at once: threads are not handed each block.

    The lane is the event loop's; only `work` runs elsewhere, in one thread at a time.
    """

    def __init__(self, work: Callable[[bytes], object], threads: Executor) -> None:
        self._work = work
        self._threads = threads
        self._waiting: list[bytes] = []
        self._busy: asyncio.Future[None] | None = None

    async def put(self, block: bytes) -> None:
        """Bring the next one. Raises what the work raised over an earlier one."""
        self._waiting.append(block)
        self._go_on()
        while len(self._waiting) > MOST_WAITING and self._busy is not None:
            await asyncio.wait([self._busy])    # which, unlike awaiting it, leaves it be when we are cancelled
            self._go_on()

    async def finish(self) -> None:
        """Until all is done. Raises what the work raised."""
        while self._busy is not None:
            await asyncio.wait([self._busy])
            self._go_on()

    async def abandon(self) -> None:
        """Until the thread has let go; what waits is not done, and what it raises is nobody's concern."""
        self._waiting.clear()
        if self._busy is not None:
            await asyncio.wait([self._busy])

    def _go_on(self) -> None:
        if self._busy is not None and not self._busy.done():
            return
        if self._busy is not None:
            self._busy.result()
        blocks, self._waiting = self._waiting, []
        loop = asyncio.get_running_loop()
        self._busy = loop.run_in_executor(self._threads, self._do, blocks) if blocks else None

    def _do(self, blocks: Sequence[bytes]) -> None:
        for block in blocks:
            self._work(block)
