"""`python -m tintype.profiler --directory D --pid P`: samples the machine while the process P lives.

Its supervisor starts it beside a training, and again when it died: it goes on in the same files.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tintype.errors import TintypeError
from tintype.profiler.gpus import find_gpus
from tintype.profiler.sampler import Clocks, Sampler


def main(arguments: list[str] | None = None) -> int:
    """Run the sampler; returns the exit status: 0, or 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="python -m tintype.profiler", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="the job's profiler-output")
    parser.add_argument("--pid", type=int, required=True, help="the process to sample; the sampler ends after it")
    parser.add_argument("--interval-ms", type=int, default=500, help="between two samples, 100 to 60000")
    parser.add_argument("--host", default="algo-1", help="the name of this node")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})        # the engine starts us with it blocked
    clocks = Clocks(time.time, time.monotonic, time.sleep)
    try:
        Sampler(given.directory, given.pid, given.host, given.interval_ms / 1000, find_gpus(), clocks).run(_say)
    except TintypeError as error:
        _say(str(error))
        return error.exit_code
    return 0


def _say(message: str) -> None:
    print(f"tintype.profiler: {message}", file=sys.stderr, flush=True)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
