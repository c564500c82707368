"""What came through InvokeEndpoint is written down while the server runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tintype.errors import TintypeError
from tintype.web.context import Context

FLUSH_SECONDS = 5.0

log = logging.getLogger(__name__)


@asynccontextmanager
async def invocations_kept(context: Context) -> AsyncIterator[None]:
    """A lifespan of the application: write now and then, and at the end."""

    async def write_again_and_again() -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await asyncio.to_thread(_write, context)

    task = asyncio.create_task(write_again_and_again())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(_write, context)


def _write(context: Context) -> None:
    try:
        context.invocations.write(context.workspace.records)
    except TintypeError as error:
        log.warning("metrics of endpoints were lost: %s", error)
