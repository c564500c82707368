from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tests.profiler.recordings import START, sample
from tintype.errors import StorageFailed
from tintype.profiler.system_metrics import CPU_UTILIZATION, END_MARKER, SYSTEM, Kind
from tintype.profiler.system_writer import SystemMetricsWriter

CORES = {(Kind.CPU, f"cpu{n}", CPU_UTILIZATION): 10.5 * n for n in range(3)}


def lines(root: Path) -> list[str]:
    return [line for path in sorted(root.rglob("*.algo-1.json")) for line in path.read_text().splitlines()]


def test_rows_are_spelt_as_sagemaker_spells_them(tmp_path: Path) -> None:
    with_one = SystemMetricsWriter(tmp_path)
    with_one.write(START + 0.25, sample({(Kind.CPU, "cpu1", CPU_UTILIZATION): 10.5}))
    with_one.close()
    [path] = tmp_path.rglob("*.json")
    assert path == tmp_path / SYSTEM / "incremental" / "2026112111" / "1795260600.algo-1.json"
    assert json.loads(path.read_text()) == {
        "Type": "cpu", "Name": "cpu1", "Dimension": "CPUUtilization", "Value": 10.5, "NodeId": "algo-1",
        "Timestamp": 1795260600.25,
    }  # fmt: skip


def test_each_minute_has_its_file_and_the_end_its_marker(tmp_path: Path) -> None:
    writer = SystemMetricsWriter(tmp_path)
    for at in (START + 59.9, START + 60.0, START + 119.9, START + 3600.0):
        writer.write(at, sample(CORES))
    writer.end()
    assert sorted(path.name for path in tmp_path.rglob("*.json")) == [
        "1795260600.algo-1.json", "1795260660.algo-1.json", "1795264200.algo-1.json",
    ]  # fmt: skip
    assert (tmp_path / SYSTEM / END_MARKER).exists()
    SystemMetricsWriter(tmp_path).write(START + 3601.0, sample(CORES))              # it goes on: the end was none
    assert not (tmp_path / SYSTEM / END_MARKER).exists()


def test_a_line_cut_short_by_a_kill_is_removed_by_the_next_writer(tmp_path: Path) -> None:
    first = SystemMetricsWriter(tmp_path)
    first.write(START, sample(CORES))
    [path] = tmp_path.rglob("*.json")
    with path.open("a") as stream:
        stream.write('{"Type":"cpu","Na')
    second = SystemMetricsWriter(tmp_path)
    second.write(START + 1, sample(CORES))
    assert [json.loads(line)["Timestamp"] for line in lines(tmp_path)] == [START] * 3 + [START + 1] * 3


@pytest.mark.parametrize("written", [0, 100, -errno.ENOSPC])
def test_a_full_disk_loses_the_sample_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    writer = SystemMetricsWriter(tmp_path)
    writer.write(START, sample(CORES))
    before, write = lines(tmp_path), os.write

    def short(descriptor: int, content: bytes) -> int:
        if written < 0:
            raise OSError(-written, "No space left on device")
        return write(descriptor, content[:written])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        with pytest.raises(StorageFailed, match="disk is full"):
            writer.write(START + 1, sample(CORES))
    assert lines(tmp_path) == before
    writer.write(START + 2, sample(CORES))
    assert len(lines(tmp_path)) == 6


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / SYSTEM).write_text("a file")
    with pytest.raises(StorageFailed):
        SystemMetricsWriter(tmp_path).write(START, sample(CORES))
