"""Processes as Linux sees them: tied to a parent, marked, found with all their descendants, ended.

Every process of a job carries a mark in its environment (`/proc/PID/environ`), which its children inherit whatever they
do: leave the session, the process group, or the parent. So a job's processes can be found when all that is known is
its name, even if everybody who looked after it was killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

MARK = "TINTYPE_JOB_TOKEN"
MARK_LENGTH = 32
NO_MARK = "-" * MARK_LENGTH                 # room for one, in the environment of a process that forks others
PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 15, 36
HUGE_PAGE = 1 << 21
MADV_COLLAPSE = 25
REAP_SECONDS = 0.005
KILL_SECONDS = 10.0

_LISTS_CHILDREN = Path("/proc/thread-self/children").exists()      # else all processes have to be looked at
_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def mark_of(home: Path, name: str, attempt: int) -> str:
    """The mark of one attempt at a job."""
    return hashlib.sha256(f"{home}\0{name}\0{attempt}".encode()).hexdigest()[:MARK_LENGTH]


def mark_self(mark: str) -> None:
    """Carry `mark` from now on, visibly to others. This process was started with room for one (`NO_MARK`).

    `os.environ` is a copy; what others see is the block that the kernel laid out when the process was started.
    """
    os.environ[MARK] = mark
    block = Path("/proc/self/environ").read_bytes()
    place = block.find(f"{MARK}=".encode())
    fields = Path("/proc/self/stat").read_bytes().rpartition(b") ")[2].split()
    if place >= 0:
        start = int(fields[47])             # env_start, field 50 of proc(5)
        ctypes.memmove(start + place + len(MARK) + 1, mark.encode(), MARK_LENGTH)


def marked(marks: Iterable[str]) -> list[int]:
    """The processes that carry one of `marks`, apart from this one. Those of other users cannot be seen."""
    wanted = [f"{MARK}={mark}".encode() for mark in marks]
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry.name}/environ", "rb") as stream:
                    environment = stream.read()
                if any(one in environment for one in wanted):
                    found.append(int(entry.name))
    return found


def die_with(parent: int) -> None:
    """Be killed when the process `parent`, which forked us, ends; at once when it has ended already."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def show_as(title: str) -> None:
    """The name of this process in `ps` and `top` (15 bytes of it)."""
    _libc.prctl(PR_SET_NAME, ctypes.c_char_p(title.encode()[:15]), 0, 0, 0)


def children_of(pid: int) -> list[int]:
    """The children of all threads of a process; none when it is gone."""
    if not _LISTS_CHILDREN:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(pid).children()]
        return []
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split())
    return found


def descendants_of(pid: int, spared: frozenset[int] = frozenset()) -> Iterator[int]:
    """All processes below `pid`, without those in `spared` and what is below them."""
    for child in children_of(pid):
        if child not in spared:
            yield child
            yield from descendants_of(child)


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def reap(children: Iterable[int]) -> dict[int, int]:
    """The exit codes (negative: the signal) of those children that have ended, by process."""
    ended: dict[int, int] = {}
    for child in children:
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                ended[pid] = os.waitstatus_to_exitcode(status)
    return ended


def bury(*_: object) -> None:
    """Forget all children that have ended. A signal handler for SIGCHLD."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def has_children() -> bool:
    """Whether a child of this process lives, or has not been buried."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def kill_descendants(spared: frozenset[int] = frozenset()) -> dict[int, int]:
    """SIGKILL everything below this process, again until nothing is left, as some may fork meanwhile.

    Returns the exit codes of its children. A process that cannot be killed, as it waits for a disk that is gone, is
    given up after a while.
    """
    ended: dict[int, int] = {}
    until = time.monotonic() + KILL_SECONDS
    while (victims := list(descendants_of(os.getpid(), spared))) and time.monotonic() < until:
        for pid in victims:
            send(pid, signal.SIGKILL)
        ended |= reap(child for child in children_of(os.getpid()) if child not in spared)
        time.sleep(REAP_SECONDS)
    return ended


def kill_marked(marks: Iterable[str]) -> None:
    """SIGKILL everything that carries one of `marks`, again until nothing is left."""
    known = list(marks)
    while victims := [pid for pid in marked(known) if is_running(pid)]:
        for pid in victims:
            send(pid, signal.SIGKILL)
        time.sleep(REAP_SECONDS)


def is_running(pid: int) -> bool:
    """The process exists and is no zombie. One of whose threads some still end is none yet: its files are open."""
    state, threads = _state(pid)
    return state not in ("", "Z", "X") or threads > 1


def is_stopped(pid: int) -> bool:
    """Somebody has frozen the process (SIGSTOP, Ctrl-Z, a debugger)."""
    return _state(pid)[0] in ("T", "t")


def _state(pid: int) -> tuple[str, int]:
    """The state of its first thread, and how many threads there are; fields 3 and 20 of proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return fields[0].decode(), int(fields[17])


def gather_pages() -> None:
    """Put the memory of this process into huge pages, so that forking it copies few page tables (20 ms -> 5 ms).

    Only a wish: kernels before 6.1, and those without huge pages, go on as they are.
    """
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        if fields[1] == "rw-p" and (len(fields) == 5 or fields[5] == "[heap]"):
            start, end = (int(one, 16) for one in fields[0].split("-"))
            start, end = -(-start // HUGE_PAGE) * HUGE_PAGE, end // HUGE_PAGE * HUGE_PAGE
            if end > start:
                _libc.madvise(start, end - start, MADV_COLLAPSE)
