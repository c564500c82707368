"""The front's end of the fork server: children are started, told apart, killed, and heard of when they end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, final

from tintype.errors import JobFailed
from tintype.serving.workers.channel import Channel

MODULE = "tintype.serving.workers.nursery_process"
MESSAGE_BYTES = 1 << 16
START_SECONDS = 60.0
ATTEMPTS = 3

log = logging.getLogger("tintype.serving")
Json = dict[str, Any]


@final
class Child:
    """One process of the nursery, and the channel to it."""

    def __init__(self, nursery: Nursery, pid: int, channel: Channel, ended: asyncio.Future[int]) -> None:
        self._nursery = nursery
        self.pid = pid
        self.channel = channel
        self.ended = ended                  # its exit code, negative for a signal, soon after it has ended

    @property
    def is_alive(self) -> bool:
        """It has not hung up."""
        return not self.channel.closed.done()

    def kill(self) -> None:
        """SIGKILL to it and to all that it started and kept in its process group."""
        self.channel.close()
        self._nursery.kill(self.pid)

    def bury(self) -> None:
        """It has hung up, and should have ended: make sure of it. The log says how it ended."""
        self._nursery.bury(self.pid)

    def dismiss(self) -> None:
        """Let it end by itself: it sees that nobody asks any more."""
        self.channel.close()


def start_process(parent: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A fork server and our end of its socket. `parent` is this process, which it dies with."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, str(theirs.fileno()), str(parent)],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},        # its only thread must be the one that forks
        )
    return process, ours


@final
class Nursery:
    """Starts processes for a front. One event loop uses it; a nursery that died is replaced when it is next needed."""

    def __init__(self, connection: socket.socket | None = None) -> None:
        """`connection` is that of a fork server which somebody has started already."""
        self._connection = connection
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._starting: dict[int, asyncio.Future[tuple[int, asyncio.Future[int]]]] = {}
        self._listening = False
        self._alive: dict[int, asyncio.Future[int]] = {}
        self._dismissed: set[int] = set()       # those of them that we have killed

    async def start(self, kind: str, options: Json, descriptors: Sequence[int] = ()) -> Child:
        """A new process of that kind, given the descriptors. Raises `JobFailed` when the nursery keeps dying."""
        for _ in range(ATTEMPTS):
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    pid, ended = await self._order(kind, options, [theirs.fileno(), *descriptors])
                except ConnectionError:
                    ours.close()
                    self._forget()
                    continue
            return Child(self, pid, await Channel.over(ours), ended)
        raise JobFailed("the process that starts the others keeps dying; the log says why")

    def kill(self, pid: int) -> None:
        """SIGKILL to the process group of a child, if it has not ended yet. The log will say nothing of it."""
        if pid in self._alive:
            self._dismissed.add(pid)
        self.bury(pid)

    def bury(self, pid: int) -> None:
        """SIGKILL to the process group of a child, if it has not ended yet."""
        if self._connection is not None:
            with contextlib.suppress(OSError):      # gone; its children went with it
                self._connection.send(json.dumps({"kill": pid}).encode())

    def close(self) -> None:
        """End the nursery, and with it all its children."""
        self._forget()
        self._end_process()

    async def _order(self, kind: str, options: Json, descriptors: list[int]) -> tuple[int, asyncio.Future[int]]:
        """The new process, and its end, which may be heard of before anybody reads that it has begun."""
        connection = self._connected()
        number = next(self._numbers)
        started: asyncio.Future[tuple[int, asyncio.Future[int]]] = asyncio.get_running_loop().create_future()
        self._starting[number] = started
        message = json.dumps({"start": number, "kind": kind, "options": options}).encode()
        try:
            socket.send_fds(connection, [message], descriptors)
            return await asyncio.wait_for(started, START_SECONDS)
        except (OSError, TimeoutError) as error:
            raise ConnectionError("the nursery does not answer") from error
        finally:
            self._starting.pop(number, None)

    def _connected(self) -> socket.socket:
        if self._connection is None:
            self._end_process()
            self._process, self._connection = start_process(os.getpid())
        if not self._listening:
            self._connection.setblocking(False)
            # Orders are rare and small; only news is waited for.
            asyncio.get_running_loop().add_reader(self._connection.fileno(), self._hear)
            self._listening = True
        return self._connection

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()            # it ends by itself when it is hung up on; now there is no need to wait
            self._process.wait()
        self._process = None

    def _hear(self) -> None:
        try:
            message = self._connection.recv(MESSAGE_BYTES) if self._connection else b""
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            log.error("the fork server has died, and its children with it; another one is started when it is needed")
            self._forget()
            return
        news: Json = json.loads(message)
        if "started" in news:
            started = self._starting.get(news["started"])
            ended = self._alive[news["pid"]] = asyncio.get_running_loop().create_future()
            if started is not None and not started.done():
                started.set_result((news["pid"], ended))
            return
        pid, was_dismissed = news["ended"], news["ended"] in self._dismissed
        if pid not in self._alive:          # the spare, that nobody has asked for yet
            return
        self._alive.pop(pid).set_result(news["code"])
        self._dismissed.discard(pid)
        if news["code"] != 0 and not was_dismissed:
            log.warning("process %d ended by itself: %s", pid, _how(news["code"]))

    def _forget(self) -> None:
        if self._connection is not None:
            if self._listening:
                asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._connection.close()
        self._connection, self._listening = None, False
        for ended in self._alive.values():
            ended.set_result(-signal.SIGKILL)
        self._alive.clear()
        self._dismissed.clear()
        for started in self._starting.values():
            if not started.done():
                started.set_exception(ConnectionError("the nursery died"))


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
