"""The spans of a loop that says its phases by itself, as the built-in trainer does: written when that is asked for."""

from __future__ import annotations

import atexit
import time
from collections.abc import Mapping
from functools import partial

from tintype.profiler.capture_settings import CaptureSettings
from tintype.profiler.closer_look import CloserLook
from tintype.profiler.span_writer import SpanWriter
from tintype.profiler.step_spans import NoWriter, Sink, StepSpans
from tintype.profiler.worker_name import claim_worker


def spans_of_loop(environ: Mapping[str, str]) -> StepSpans[Sink]:
    """Where to say what happens: to files when `environ` asks for it (see `capture_settings`), else to nobody.

    The files are closed when the process ends. Raises `InvalidRequest` for a variable that is none.
    """
    settings = CaptureSettings.from_environment(environ)
    if settings is None:
        return StepSpans(NoWriter())
    name = partial(claim_worker, settings.directory, environ)
    writer = SpanWriter(settings.directory, name, time.time, time.perf_counter_ns)
    if not settings.has_windows:
        atexit.register(writer.close)
        return StepSpans(writer)
    look = CloserLook(settings, lambda: writer.node)
    spans = StepSpans(writer, look)

    def end() -> None:
        look.close(spans.train_steps)
        writer.close()

    atexit.register(end)
    return spans
