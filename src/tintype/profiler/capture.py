"""Profiling the training of this process, from here to its end: what a launcher calls before the user's script."""

from __future__ import annotations

import atexit
import threading
import time
from pathlib import Path

from tintype.profiler.span_writer import SpanWriter
from tintype.profiler.step_spans import StepSpans
from tintype.profiler.torch_spans import TorchSpans


def start_capture(root: Path, node: str = "algo-1", rank: int = 0) -> TorchSpans:
    """Write the spans of this process below `root`, a job's `profiler-output`, until it ends.

    `node` and `rank` name the worker in the files: `{rank}-{node}`. Loads torch. Raises nothing later: spans that
    cannot be written are left out.
    """
    writer = SpanWriter(root, f"{rank}-{node}", time.time, time.perf_counter_ns)
    watch = TorchSpans(StepSpans(writer), threading.get_ident)

    def end() -> None:
        watch.remove()
        writer.close()

    atexit.register(end)
    return watch
