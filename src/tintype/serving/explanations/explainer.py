"""Explanations for the try-it page, one at a time, each by a process of its own that cannot harm the front."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, final

from tintype import errors
from tintype.errors import BadImage, Busy, InvalidRequest, JobFailed, TimedOut

MOST_WAITING = 4
SECONDS = 30.0


@final
class Explainer:
    """One event loop uses it."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._inside = 0

    async def explain(self, folder: Path, content: bytes) -> dict[str, Any]:
        """What `process.explained` gives for a picture and an unpacked archive.

        Raises `Busy` when others wait already, `TimedOut`, `InvalidRequest` and its kind for a bad picture, `JobFailed`
        when the process died of it.
        """
        if self._inside >= MOST_WAITING:
            raise Busy(f"{self._inside} pictures wait to be explained already; try again shortly")
        self._inside += 1
        try:
            async with self._turn:
                return await self._ask(folder, content)
        finally:
            self._inside -= 1

    async def _ask(self, folder: Path, content: bytes) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "tintype.serving.explanations.process", str(folder), str(os.getpid()),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._seconds):
                said, _ = await process.communicate(content)
        except TimeoutError as error:
            raise TimedOut(f"the explanation was not there after {self._seconds:g} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        code = process.returncode
        if code == 0:
            return json.loads(said)
        if code == 2 and said:
            raise _refusal(json.loads(said))
        how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
        raise JobFailed(f"the process that explains the picture {how}; the endpoint's log may say why")


def _refusal(told: dict[str, Any]) -> InvalidRequest:
    kind = getattr(errors, told["type"], BadImage)
    return (kind if isinstance(kind, type) and issubclass(kind, InvalidRequest) else BadImage)(told["message"])
