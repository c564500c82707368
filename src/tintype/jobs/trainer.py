"""A process that was forked warm becomes the job's program, as if a new interpreter had been started for it.

Forked from a process that has torch loaded, it waits for its launch order. A Python program is then run right here;
anything else, and a program that needs something set before Python starts, replaces this process (exec). In both cases
the program finds what a new process would find: its arguments, environment, directory, module search path and standard
streams; no other open file, no thread, no signal handler, no random state that another job has.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import random
import runpy
import signal
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import NoReturn, TextIO, final

from tintype.jobs import opt_ml, processes

UMASK = 0o022
CANNOT_RUN = 127            # the shell's exit code for a command that is not there
INTERRUPTED = 130           # ... and for one that Ctrl-C ended
FIRST_FREE = 3              # after the three standard streams

# Read once, when the interpreter or a library is loaded: a program that wants another value needs a new process.
READ_ONCE = ("PYTHON", "LD_", "OPENBLAS_", "MKL_", "KMP_", "GOMP_", "MALLOC_", "GLIBC_", "NUMEXPR_", "TORCH_LOGS")
# ... but these are set in a running interpreter as well, and the last through torch.
APPLIED = frozenset({"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONIOENCODING"})
THREADS = "OMP_NUM_THREADS"


@final
@dataclass(frozen=True)
class Order:
    """What a trainer process is told: `Launch`, as it goes through a pipe."""

    arguments: Sequence[str]                    # of the process: python SCRIPT ... | python -m MODULE ... | anything
    environment: Mapping[str, str]              # all of it
    working_directory: str
    forkable: bool                              # `arguments` are Python's and may be run in this process
    opt_ml: str                                 # what the program should see as /opt/ml ...
    hosts_file: str                             # ... and as /etc/hosts
    mark: str                                   # see processes.py

    def to_bytes(self) -> bytes:
        """For the pipe."""
        return json.dumps(asdict(self)).encode()


def await_order(orders: socket.socket, output: int, parent: int) -> NoReturn:
    """Wait for the order on `orders` and become its program, with `output` as standard output and error.

    When the other end is closed without an order, nothing happens and the process ends. The answer to an order is why
    the program cannot have its directory at /opt/ml, or nothing.
    """
    processes.die_with(parent)
    os.setpgid(0, 0)
    received = b"".join(iter(lambda: orders.recv(1 << 16), b""))
    if not received:
        os._exit(0)
    order = Order(**json.loads(received))
    processes.mark_self(order.mark)
    refused = opt_ml.enter(Path(order.opt_ml), Path(order.hosts_file))
    orders.sendall((refused or "").encode())
    _be_new(order, output)
    if order.forkable and may_run_here(order, os.environ):
        _run_here(order)
    _replace(order)


def may_run_here(order: Order, here: Mapping[str, str]) -> bool:
    """A running interpreter with the environment `here` would do for the program as well as a new one."""
    changed = {
        name
        for name in {*order.environment, *here}
        if name.startswith(READ_ONCE) and order.environment.get(name) != here.get(name)
    }
    return not changed - APPLIED and not _hidden_modules(_first_path(order))


def run_program(program: Callable[[], object], errors: TextIO) -> int:
    """Call `program` and return the exit code that an interpreter would end with, having told errors as it would."""
    try:
        program()
    except SystemExit as exit:
        if exit.code is None or isinstance(exit.code, int):
            return (exit.code or 0) & 0xFF
        errors.write(f"{exit.code}\n")
        return 1
    except BaseException as error:
        traceback.print_exception(error.with_traceback(_own_frames(error)), file=errors)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _be_new(order: Order, output: int) -> None:
    """Leave nothing of the process that forked us but its memory."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= FIRST_FREE:
            with contextlib.suppress(OSError):              # the one that the folder was listed with
                os.close(int(name))
    os.umask(UMASK)
    os.chdir(order.working_directory)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):         # as Python starts
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _run_here(order: Order) -> NoReturn:
    here = dict(os.environ)
    os.environ.clear()
    os.environ.update({**order.environment, processes.MARK: order.mark})
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _stream(1, order, errors="strict")
    sys.stderr = sys.__stderr__ = _stream(2, order, errors="backslashreplace")
    _search_as_new(order, here)
    _reseed()
    _use_threads(order.environment.get(THREADS))
    code = run_program(_program(order), sys.stderr)
    code = run_program(_finish, sys.stderr) or code
    os._exit(code)


def _finish() -> None:
    """What an interpreter does at its end, without taking torch apart, which takes a second."""
    vars(threading)["_shutdown"]()          # waits for threads that are no daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _replace(order: Order) -> NoReturn:
    try:
        os.execvpe(order.arguments[0], list(order.arguments), {**order.environment, processes.MARK: order.mark})
    except OSError as error:
        os.write(2, f"{order.arguments[0]} cannot be run: {error.strerror}\n".encode())
        os._exit(CANNOT_RUN)


def _program(order: Order) -> Callable[[], object]:
    _, name, *rest = order.arguments
    if name == "-m":
        module, *rest = rest
        sys.argv = [module, *rest]
        return lambda: runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.argv = [name, *rest]
    return lambda: _run_script(Path(name).absolute())        # as Python sets __file__: what is spawned needs it


def _run_script(path: Path) -> None:
    # Not `runpy.run_path`: the module must stay `__main__` after the last line, for threads and exit functions.
    main = types.ModuleType("__main__")
    main.__file__ = str(path)
    sys.modules["__main__"] = main
    if "__mp_main__" in sys.modules:        # multiprocessing's name for it
        sys.modules["__mp_main__"] = main
    exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), main.__dict__)


def _stream(descriptor: int, order: Order, errors: str) -> TextIO:
    by_line = descriptor == 2 or bool(order.environment.get("PYTHONUNBUFFERED"))
    return open(descriptor, "w", encoding="utf-8", errors=errors, buffering=1 if by_line else -1, closefd=False)


def _first_path(order: Order) -> str:
    name = order.arguments[1]
    return order.working_directory if name == "-m" else str(Path(order.working_directory, name).resolve().parent)


def _search_as_new(order: Order, here: Mapping[str, str]) -> None:
    """`sys.path` as a new interpreter would have it: the program's folder, PYTHONPATH, then what is installed."""
    old = set(filter(None, here.get("PYTHONPATH", "").split(os.pathsep)))
    installed = [entry for entry in sys.path[1:] if entry not in old]
    given = [one for one in order.environment.get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = [_first_path(order), *given, *(entry for entry in installed if entry not in given)]
    sys.orig_argv = list(order.arguments)
    _customise(given)


def _customise(search: Sequence[str]) -> None:
    """Run the `sitecustomize` that PYTHONPATH brings, as a new interpreter does; its errors are told, and go by."""
    spec = PathFinder.find_spec("sitecustomize", list(search))
    if spec is None or spec.loader is None:
        return
    try:
        module = sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(module)
    except Exception:
        traceback.print_exc()


def _hidden_modules(folder: str) -> set[str]:
    """Modules of the program's folder that would not be found, as something of their name is loaded already."""
    try:
        names = {entry.name.partition(".")[0] for entry in os.scandir(folder) if not entry.name.startswith(".")}
    except OSError:
        return set()
    return {name for name in names if name in sys.modules and not _is_from(folder, name)}


def _is_from(folder: str, name: str) -> bool:
    found = getattr(sys.modules[name], "__file__", None)
    return bool(found) and Path(str(found)).resolve().is_relative_to(Path(folder).resolve())


def _reseed() -> None:
    """Random numbers that no other job has. Those of torch on a GPU are as new: that is not touched before a fork."""
    random.seed()
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()


def _use_threads(count: str | None) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and count is not None and count.isdigit() and int(count):
        torch.set_num_threads(int(count))


def _own_frames(error: BaseException) -> types.TracebackType | None:
    """The traceback without our own frames, which would tell the user nothing."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename in (__file__, runpy.__file__, "<frozen runpy>"):
        frame = frame.tb_next
    return frame
