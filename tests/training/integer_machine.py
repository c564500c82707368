"""A processor that is fast with 8-bit integers, whatever this one is."""

from __future__ import annotations

import pytest

from tintype.training import extractors


def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have integers chosen for few images and for networks that nobody has trained, which suffer more from rounding."""
    monkeypatch.setattr(extractors, "cpu_flags", lambda: frozenset({"avx512_vnni"}))
    monkeypatch.setattr(extractors, "SMALLEST_INTEGER_PASS", 1)
    monkeypatch.setattr(extractors, "LARGEST_ERROR", 0.5)
    monkeypatch.setattr(extractors, "LARGEST_TIME", 1e9)
