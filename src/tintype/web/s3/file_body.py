"""A part of a file as the body of an answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO, final

from tintype.web.s3.ranges import Span

BLOCK_BYTES = 1 << 20


@final
@dataclass(frozen=True)
class FileBody:
    """An open file, which is closed when all has been sent or nobody wants more. It is read on when its name is
    gone.
    """

    file: BinaryIO
    span: Span

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes, a megabyte at a time, the next one read while the last one is sent."""
        loop = asyncio.get_running_loop()
        position = self.span.start
        ahead: asyncio.Future[bytes] | None = None
        try:
            while position < self.span.end:
                data = await (ahead or self._read(loop, position))
                ahead = None
                if not data:
                    raise EOFError(f"the file became shorter while it was sent: it ends at {position}")
                position += len(data)
                if position < self.span.end:
                    ahead = self._read(loop, position)
                yield data
        finally:
            if ahead is not None:
                await asyncio.wait([ahead])
            self.file.close()

    def _read(self, loop: asyncio.AbstractEventLoop, position: int) -> asyncio.Future[bytes]:
        size = min(BLOCK_BYTES, self.span.end - position)
        return loop.run_in_executor(None, os.pread, self.file.fileno(), size, position)
