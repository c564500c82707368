"""The fork server: `python -m tintype.serving.workers.nursery_process DESCRIPTOR PARENT`.

It has NumPy and the decoders loaded, one thread, and no secrets, so a child costs milliseconds. Requests come as JSON
messages over a SOCK_SEQPACKET socket, with the descriptors for the child; answers and news go the same way:

    {"start": 7, "kind": "decoder", "options": {...}} + fds     ->  {"started": 7, "pid": 123}
    {"start": 8, "kind": "program", "options": {"arguments", "environment", "directory", "opt_ml"}} + one fd
    {"kill": 123}                                               ->  (its whole process group)
                                                                ->  {"ended": 123, "code": -9}, whenever a child ends

It ends when the other end is closed; its children are killed with it.
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

log = logging.getLogger("tintype.serving")
Json = dict[str, Any]


def serve(requests: socket.socket) -> None:
    """Start and bury children until the front closes its end."""
    children: set[int] = set()
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
            if requests in ready and not _answer(requests, children):
                return


def _answer(requests: socket.socket, children: set[int]) -> bool:
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
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_child(order, descriptors, parent)
    with contextlib.suppress(OSError):      # before anybody kills the group; the child does the same
        os.setpgid(pid, pid)
    children.add(pid)
    for one in descriptors:
        os.close(one)
    _say(requests, {"started": order["start"], "pid": pid})
    return True


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


def _be_child(order: Json, descriptors: list[int], parent: int) -> NoReturn:
    """Become what was ordered. Nothing of the nursery is kept open but the output."""
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
        options = order["options"]
        if order["kind"] == "program":
            _become(options, descriptors[0])
        link = Link(socket.socket(fileno=descriptors[0]))
        processes.show_as(f"tintype-{order['kind']}")
        importlib.import_module(MODULES[order["kind"]]).run(link, options, descriptors[1:])
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


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
