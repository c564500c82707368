"""Profiles as tests need them: AWS's own files, and machines of our own making."""

from __future__ import annotations

from collections.abc import Mapping

from tintype.profiler.system_metrics import Series

START = 1_795_260_600.0                 # a full minute


def sample(values: Mapping[tuple[str, str, str], float], node: str = "algo-1") -> dict[Series, float]:
    """A sample of one node; keys are (kind, name, dimension)."""
    return {Series(*key, node): value for key, value in values.items()}
