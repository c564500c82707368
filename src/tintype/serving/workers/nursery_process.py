"""The fork server: `python -m tintype.serving.workers.nursery_process DESCRIPTOR PARENT`.

It has NumPy and the decoders loaded, one thread, and no secrets, so a child costs milliseconds. Requests come as JSON
messages over a SOCK_SEQPACKET socket, with the descriptors for the child; answers and news go the same way:

    {"start": 7, "kind": "decoder", "options": {...}} + fds     ->  {"started": 7, "pid": 123}
    {"start": 8, "kind": "program", "options": {"arguments", "environment", "directory", "opt_ml"}} + one fd
    {"kill": 123}                                               ->  (its whole process group)
                                                                ->  {"ended": 123, "code": -9}, whenever a child ends

It ends when the other end is closed; its children are killed with it. One child is forked before anybody asks: it
imports what a network's worker needs while the front is still being imported, and becomes the first of them.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import logging
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tintype.jobs import opt_ml, processes
from tintype.serving.workers import decoder_process
from tintype.serving.workers.frames import Link

TITLE = "tintype-nursery"
MESSAGE_BYTES = 1 << 20
MAX_DESCRIPTORS = 250                       # the kernel's limit is 253
LINK_VARIABLE = "TINTYPE_LINK"              # the number of a program's descriptor

# What a child runs: a module with `run(link, options, descriptors)`. Those that start threads when they are imported
# are imported by the child.
MODULES = {
    "decoder": decoder_process.__name__,
    "network": "tintype.serving.workers.network_process",
}

SPARE = "network"

log = logging.getLogger("tintype.serving")
Json = dict[str, Any]


def serve(requests: socket.socket) -> None:
    """Start and bury children until the front closes its end."""
    spare = _start_spare()
    children = {spare.pid}
    with selectors.DefaultSelector() as selector, _death_notices() as deaths:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(deaths, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if deaths in ready:
                with contextlib.suppress(BlockingIOError):
                    deaths.recv(4096)
            for pid in [one for one in children if _has_ended(one)]:
                children.discard(pid)
                _say(requests, {"ended": pid, "code": _bury(pid)})
            if requests in ready and not _answer(requests, children, spare):
                return


@dataclass
class _Spare:
    """A child that will be a network's worker. It ends when its socket is closed before that."""

    pid: int
    orders: socket.socket | None

    def take(self, message: bytes, descriptors: list[int]) -> bool:
        """Hand it its order; False when it has one already, or has died."""
        if self.orders is None:
            return False
        with self.orders as orders:
            self.orders = None
            try:
                return bool(socket.send_fds(orders, [message], descriptors))
            except OSError:
                return False

    def dismiss(self) -> None:
        """It will not be needed."""
        if self.orders is not None:
            self.orders.close()
        self.orders = None


def _start_spare() -> _Spare:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    with theirs:
        pid = os.fork()
        if pid == 0:
            _be_spare(theirs, parent)
        _lead_a_group(pid)
    return _Spare(pid, ours)


def _be_spare(orders: socket.socket, parent: int) -> None:
    with _as_a_child(parent, [orders.fileno()]):
        importlib.import_module(MODULES[SPARE])
        message, descriptors, _, _ = socket.recv_fds(orders, MESSAGE_BYTES, MAX_DESCRIPTORS)
        orders.close()
        if message:
            _run(json.loads(message), descriptors)


def _answer(requests: socket.socket, children: set[int], spare: _Spare) -> bool:
    try:
        message, descriptors, _, _ = socket.recv_fds(requests, MESSAGE_BYTES, MAX_DESCRIPTORS)
    except ConnectionError:
        return False
    if not message:
        return False
    order: Json = json.loads(message)
    if "kill" in order:
        pid = int(order["kill"])
        if pid in children:                 # not waited for yet, so the number is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        return True
    if order["kind"] == "program":          # whoever serves scripts has no network
        spare.dismiss()
    pid = spare.pid if order["kind"] == SPARE and spare.take(message, descriptors) else _fork(order, descriptors)
    children.add(pid)
    for one in descriptors:
        os.close(one)
    _say(requests, {"started": order["start"], "pid": pid})
    return True


def _fork(order: Json, descriptors: list[int]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        with _as_a_child(parent, descriptors):
            _run(order, descriptors)
    _lead_a_group(pid)
    return pid


def _lead_a_group(pid: int) -> None:
    with contextlib.suppress(OSError):      # before anybody kills the group; the child does the same
        os.setpgid(pid, pid)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _bury(pid: int) -> int:
    """The exit code. What the process has started in its group ends with it, while the number is still taken."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _say(requests: socket.socket, news: Json) -> None:
    with contextlib.suppress(ConnectionError):      # the front has gone, which is seen next
        requests.send(json.dumps(news).encode())


@contextlib.contextmanager
def _as_a_child(parent: int, descriptors: list[int]) -> Iterator[None]:
    """What a forked process does first; the process ends with the block. Nothing of the nursery stays open but the
    output and `descriptors`."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.setpgid(0, 0)
        processes.die_with(parent)
        kept = {0, 1, 2, *descriptors}
        for name in os.listdir("/proc/self/fd"):
            if int(name) not in kept:
                with contextlib.suppress(OSError):
                    os.close(int(name))
        yield
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _run(order: Json, descriptors: list[int]) -> None:
    """Be what was ordered."""
    if order["kind"] == "program":
        _become(order["options"], descriptors[0])
    processes.show_as(f"tintype-{order['kind']}")
    link = Link(socket.socket(fileno=descriptors[0]))
    importlib.import_module(MODULES[order["kind"]]).run(link, order["options"], descriptors[1:])


def _become(options: Json, descriptor: int) -> NoReturn:
    """Another program, which may see a folder as /opt/ml and finds its link's number in its environment."""
    directory = options.get("opt_ml")
    if directory:
        reason = opt_ml.enter(Path(directory))
        if reason is not None:
            print(f"/opt/ml is not there for the script: {reason}", file=sys.stderr, flush=True)
    os.set_inheritable(descriptor, True)
    os.chdir(options["directory"])
    environment = {**options["environment"], LINK_VARIABLE: str(descriptor)}
    os.execve(options["arguments"][0], options["arguments"], environment)


@contextlib.contextmanager
def _death_notices():
    """A socket that becomes readable when a child has ended."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    with ours, theirs:
        yield ours


def main() -> NoReturn:
    """Be the fork server until the front ends."""
    descriptor, parent = map(int, sys.argv[1:])
    processes.die_with(parent)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    faulthandler.enable()
    processes.show_as(TITLE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)       # the front says when to end, by closing its end
    requests = socket.socket(fileno=descriptor)
    requests.set_inheritable(False)
    gc.collect()
    gc.freeze()
    serve(requests)
    os._exit(0)


if __name__ == "__main__":
    main()
