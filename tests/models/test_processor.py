from __future__ import annotations

from pathlib import Path

import pytest

from tintype.models import processor


@pytest.mark.parametrize("line", ["flags\t\t: fpu avx_vnni", "Features\t: fp asimddp bf16"])
def test_flags_are_read_from_the_first_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n\nprocessor\t: 1\nflags\t: other\n")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    flags = processor.cpu_flags()
    assert "other" not in flags
    assert flags & processor.INTEGER_FLAGS


def test_a_machine_that_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(processor, "GPU", tmp_path / "none")
    assert processor.cpu_flags() == frozenset()
    assert not processor.has_gpu()
    (tmp_path / "none").touch()
    assert processor.has_gpu()
