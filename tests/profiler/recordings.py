"""Profiles as tests need them: AWS's own files, and machines of our own making."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tintype.profiler.span_writer import SpanWriter
from tintype.profiler.system_metrics import Series

START = 1_795_260_600.0                 # a full minute


def sample(values: Mapping[tuple[str, str, str], float], node: str = "algo-1") -> dict[Series, float]:
    """A sample of one node; keys are (kind, name, dimension)."""
    return {Series(*key, node): value for key, value in values.items()}


class Ticking:
    """A steady clock in nanoseconds that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 5_000_000_000

    def __call__(self) -> int:
        return self.now

    def pass_ms(self, milliseconds: float) -> None:
        self.now += int(milliseconds * 1e6)


def span_writer(root: Path, clock: Ticking, node: str = "0-algo-1") -> SpanWriter:
    """A writer that begins at START and writes when it is told to."""
    return SpanWriter(root, node, lambda: START, clock, threaded=False)
