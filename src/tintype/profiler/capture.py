"""Profiling the training of this process, from here to its end: what a launcher calls before the user's script."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Mapping
from functools import partial

from tintype.profiler.capture_settings import CaptureSettings
from tintype.profiler.closer_look import CloserLook
from tintype.profiler.span_writer import SpanWriter
from tintype.profiler.step_spans import StepSpans
from tintype.profiler.torch_spans import TorchSpans
from tintype.profiler.worker_name import claim_worker


def start_capture(settings: CaptureSettings, environ: Mapping[str, str]) -> TorchSpans:
    """Write the spans of this process until it ends. Loads torch.

    `environ` tells its host and rank (CURRENT_HOST, RANK), and so its name in the files. Raises nothing later: spans
    that cannot be written are left out.
    """
    name = partial(claim_worker, settings.directory, environ)
    writer = SpanWriter(settings.directory, name, time.time, time.perf_counter_ns)
    look = CloserLook(settings, lambda: writer.node) if settings.has_windows else None
    spans = StepSpans(writer, look)
    watch = TorchSpans(spans, threading.get_ident)

    def end() -> None:
        watch.remove()
        if look is not None:
            look.close(spans.train_steps)
        writer.close()

    atexit.register(end)
    return watch
