"""`python -m tintype.profiler --directory D --pid P`: samples the machine while the process P lives.

A job's supervisor starts it beside the training, with the processes of the job's hosts in TINTYPE_PROGRAM_PIDS, and
again when it died: it goes on in the same files. SIGTERM says that the training is over.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tintype.errors import InvalidRequest, TintypeError
from tintype.profiler.gpus import find_gpus
from tintype.profiler.sampler import Clocks, Sampler

PROGRAMS = "TINTYPE_PROGRAM_PIDS"       # by the engine, for its companions: the process of each host, by a comma


def main(arguments: list[str] | None = None) -> int:
    """Run the sampler; returns the exit status: 0, or 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="python -m tintype.profiler", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="the job's profiler-output")
    parser.add_argument("--pid", type=int, help="the process to sample; the sampler ends after it")
    parser.add_argument("--interval-ms", type=int, default=500, help="between two samples, 100 to 60000")
    parser.add_argument("--host", default="algo-1", help="the name of this node")
    given = parser.parse_args(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})      # waited for between samples, see _wait
    clocks = Clocks(time.time, time.monotonic, _wait)
    try:
        pid = given.pid or program_of(given.host, os.environ)
        Sampler(given.directory, pid, given.host, given.interval_ms / 1000, find_gpus(), clocks).run(_say)
    except TintypeError as error:
        _say(str(error))
        return error.exit_code
    return 0


def program_of(host: str, environ: Mapping[str, str]) -> int:
    """The process of a job's host, e.g. "algo-2". Raises `InvalidRequest` when the engine has not told it."""
    told = environ.get(PROGRAMS, "").split(",")
    number = host.removeprefix("algo-")
    if number.isdecimal() and 0 < int(number) <= len(told) and told[int(number) - 1].isdecimal():
        return int(told[int(number) - 1])
    raise InvalidRequest(f"which process is to be sampled? give --pid, or {PROGRAMS} for {host}")


def _wait(seconds: float) -> bool:
    """Sleep; True as soon as SIGTERM has come."""
    return signal.sigtimedwait({signal.SIGTERM}, seconds) is not None


def _say(message: str) -> None:
    print(f"tintype.profiler: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
