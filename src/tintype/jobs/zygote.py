"""The fork server: a process with torch loaded, of which each warm job is forked, so that it pays for no imports.

`python -m tintype.jobs.zygote SOCKET AGENT HOME PRELOAD`, started by the agent, which ends it by closing the socket. It
takes one assignment a message and answers with the supervisor's process number. It has one thread and no connection
open, and runs nobody's code: what it is, every job begins as.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import logging
import multiprocessing.util
import os
import select
import signal
import socket
import sys
import traceback
import weakref
from pathlib import Path
from typing import NoReturn

from tintype.jobs import processes
from tintype.jobs.assignment import Assignment
from tintype.jobs.starting import MESSAGE_BYTES, READY
from tintype.jobs.store import JobStore
from tintype.jobs.supervisor import supervise
from tintype.records import Records
from tintype.settings import Settings

TITLE = "tintype-zygote"
IDLE_SECONDS = 2.0          # without a job and without a message: time for what makes the jobs to come cheaper
MANY_JOBS = 100             # after so many it pays: a second once, for 30 ms of each job


def serve(requests: socket.socket, store: JobStore) -> None:
    """Fork a supervisor for each assignment, until the agent closes its end."""
    environment = dict(os.environ)
    served, is_gathered = 0, False
    while True:
        is_gathered = is_gathered or _gathered_while_waiting(requests, served)
        if not (message := requests.recv(MESSAGE_BYTES)):
            return
        assignment = Assignment.from_json(json.loads(message))
        pid = os.fork()
        if pid == 0:
            requests.close()
            supervise(assignment, store, environment)
        served += 1
        requests.send(json.dumps({"name": assignment.name, "pid": pid}).encode())


def _gathered_while_waiting(requests: socket.socket, served: int) -> bool:
    """Wait for a message; whether the memory was laid out for forking meanwhile. The first job does not wait for it.

    While a job runs, whose memory is this one's still, it would double what both have: then only when it has paid.
    """
    while served < MANY_JOBS:
        if select.select([requests], [], [], IDLE_SECONDS)[0]:
            return False
        if not processes.has_children():
            break
    processes.gather_pages()
    return True


def preload(names: str) -> None:
    """Import modules. What cannot be imported is said; jobs do without.

    Nothing of it is garbage that is worth looking for: without the collector the imports take four fifths of the time.
    """
    gc.disable()
    for name in filter(None, names.split(",")):
        try:
            importlib.import_module(name)
        except Exception:
            traceback.print_exc()
    _forget_exit_functions()
    gc.freeze()             # no collection after a fork touches, and so copies, what is shared
    gc.enable()


def warmed(url: str) -> JobStore:
    """The store with its statements compiled and no connection open."""
    store = JobStore(Records.open(url))
    store.rehearse(f"zygote-{os.getpid()}")
    store.disconnect()
    return store


def _forget_exit_functions() -> None:
    """Leave only those that a program needs: torch's take itself apart, for 80 ms at the end of each job."""
    finalizers, processes_of_python = vars(weakref.finalize), vars(multiprocessing.util)    # neither is public
    atexit._clear()
    finalizers["_registry"].clear()         # nor may each job do for itself what this process is to do once
    atexit.register(logging.shutdown)
    atexit.register(processes_of_python["_exit_function"])
    atexit.register(finalizers["_exitfunc"].__get__(None, weakref.finalize))


def main() -> NoReturn:
    """Be the fork server until the agent ends."""
    descriptor, agent, home, names = sys.argv[1:]
    processes.die_with(int(agent))
    requests = socket.socket(fileno=int(descriptor))
    requests.set_inheritable(False)
    processes.show_as(TITLE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, processes.bury)
    settings = Settings.from_environment(os.environ, Path(home))
    store = warmed(settings.records_url)
    preload(names)
    requests.send(json.dumps(READY).encode())
    serve(requests, store)
    os._exit(0)


if __name__ == "__main__":
    main()
