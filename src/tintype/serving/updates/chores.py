"""Work of an endpoint that nobody waits for: ending replicas, adding workers. What goes wrong in it is logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, final

from tintype.errors import TintypeError

log = logging.getLogger(__name__)


@final
class Chores:
    """The tasks that are under way. One event loop uses it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        """Have it done, beginning now."""
        task = asyncio.create_task(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self) -> None:
        """Wait until all is done."""
        while self._tasks:
            await asyncio.gather(*self._tasks)


async def _logged(work: Coroutine[Any, Any, object]) -> None:
    try:
        await work
    except TintypeError as error:
        log.error("%s", error)
    except Exception:
        log.exception("the endpoint could not do something that nobody waits for")
