from __future__ import annotations

import os
from pathlib import Path

import pytest

from tintype.errors import StorageFailed
from tintype.jobs.directory import JobDirectory, host_name


def test_the_layout_is_sagemakers(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path / "job")
    directory.lay_out()
    made = {path.relative_to(directory.root).as_posix() for path in directory.root.rglob("*")}
    assert made >= {
        "code", "model", "input/config", "input/data", "output/data", "output/intermediate", "checkpoints", "logs",
        "debug-output", "profiler-output", "rule-output",
    }  # fmt: skip
    assert not (directory.root / "hosts").exists()
    (directory.output / "tensors" / "x").write_text("tensor")
    (directory.output / "profiler" / "y").write_text("span")
    assert (directory.debug_output / "x").read_text() == "tensor"
    assert (directory.profiler_output / "y").read_text() == "span"


def test_hosts_share_what_goes_in_and_own_what_comes_out(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path / "job")
    directory.lay_out(3)
    assert directory.host(0) is directory
    third = directory.host(2)
    assert third.root.name == host_name(2) == "algo-3"
    (directory.code / "hpo.py").write_text("x")
    assert (third.code / "hpo.py").exists()
    (third.model / "model.pth").write_text("x")
    assert os.listdir(directory.model) == []
    assert directory.log_of(0).name == "training.log"
    assert directory.log_of(2) == directory.root / "logs" / "algo-3.log"


def test_laying_out_again_changes_nothing(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path / "job")
    directory.lay_out(2)
    (directory.model / "model.pth").write_text("x")
    directory.lay_out(2)
    assert os.listdir(directory.model) == ["model.pth"]


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "job").write_text("in the way")
    with pytest.raises(StorageFailed, match="cannot be written"):
        JobDirectory(tmp_path / "job").lay_out()
