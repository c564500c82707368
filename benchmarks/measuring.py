"""A child process measured from outside: wall time, and the most memory that its whole tree had at once.

Memory is anonymous memory (what the kernel cannot simply drop): pages of files that are mapped, such as an image
cache, are not counted, as they are the page cache's and shared by all processes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"
PEERS = REPOSITORY / "benchmarks" / "peers"
TINTYPE = [sys.executable, "-W", "ignore", "-m", "tintype"]
POLL_SECONDS = 0.1
MIB = 1024**2


@dataclass(frozen=True)
class Measured:
    """One run of one command."""

    seconds: float
    peak_bytes: int             # anonymous memory of the process and its children; 0 when it was not watched
    output: str                 # its standard output


def measure(command: Sequence[str | Path], *, memory: bool = False, timeout_seconds: float = 3600) -> Measured:
    """Run a command to its end; `memory` is watched only when asked, as looking at it slows the command down.

    Raises `RuntimeError` with its last words when it fails.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=errors, cwd=REPOSITORY)
        peak = Peak(process.pid)
        if memory:
            peak.start()
        code = process.wait(timeout_seconds)
        seconds = time.perf_counter() - began
        if memory:
            peak.finish()
        output.seek(0)
        errors.seek(0)
        if code:
            raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{errors.read()[-2000:]}")
        return Measured(seconds, peak.bytes, output.read())


class Peak(threading.Thread):
    """Watches a process tree."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._over = threading.Event()
        self.bytes = 0

    def run(self) -> None:
        """Look ten times a second."""
        while not self._over.wait(POLL_SECONDS):
            self.bytes = max(self.bytes, anonymous_bytes(self._root))

    def finish(self) -> None:
        """Stop looking."""
        self._over.set()
        self.join()


def anonymous_bytes(root: psutil.Process) -> int:
    """Anonymous memory of a process and its children; 0 when it is gone."""
    total = 0
    try:
        for process in (root, *root.children(recursive=True)):
            try:
                lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))
    except psutil.NoSuchProcess:
        pass
    return total


def interleaved(runs: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Run the sides in turn, A B A B ..., so that a machine whose speed drifts treats them alike."""
    figures: list[list[float]] = [[] for _ in sides]
    for _ in range(runs):
        for found, side in zip(figures, sides, strict=True):
            found.append(side())
    return figures


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> str:
    """The median of the pairwise ratios, with their range."""
    ratios = sorted(one / other for one, other in zip(numerators, denominators, strict=True))
    return f"{statistics.median(ratios):.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f}, {len(ratios)} runs)"


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows of text as a table that Markdown understands."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
