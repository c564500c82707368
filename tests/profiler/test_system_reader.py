from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.profiler.recordings import START, sample
from tintype.profiler.system_metrics import CPU_UTILIZATION, GPU_MEMORY, MEMORY_USED, Kind, Series, file_path
from tintype.profiler.system_reader import _read_canonical, _read_lines, last_timestamp, read_system_rows
from tintype.profiler.system_writer import SystemMetricsWriter

KEYS = [(Kind.CPU, "cpu0", CPU_UTILIZATION), (Kind.CPU, "cpu11", CPU_UTILIZATION), (Kind.MEMORY, MEMORY_USED, "")]


@pytest.mark.data
def test_aws_files_are_read(shared_data: Callable[[str], Path]) -> None:
    found = read_system_rows(shared_data("aws-profiler-traces") / "test_traces")
    assert found.damaged_lines == 0
    assert len(found.rows) == 14 + 32 + 32
    assert np.all(np.diff(found.rows["time"]) >= 0)
    assert {one.name for one in found.series if one.kind == "cpu"} == {f"cpu{n}" for n in range(32)}
    number = found.series.index(Series("gpu", "gpu1", GPU_MEMORY, "algo-1"))
    assert found.rows["value"][found.rows["series"] == number].max() == pytest.approx(84.76)


@given(st.lists(st.lists(st.floats(-1e15, 1e15), min_size=3, max_size=3), min_size=1, max_size=8))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_is_written_is_read_whatever_the_numbers(tmp_path: Path, values: list[list[float]]) -> None:
    writer = SystemMetricsWriter(tmp_path)
    path = tmp_path / file_path(int(START), "algo-1")
    path.unlink(missing_ok=True)
    for n, row in enumerate(values):
        writer.write(START + n / 4, sample(dict(zip(KEYS, row, strict=True))))
    writer.close()
    content = path.read_bytes()
    fast, slow = {}, {}
    rows, (same, damaged) = _read_canonical(content, fast), _read_lines(content, slow)
    assert rows is not None
    assert damaged == 0
    assert fast == slow
    assert np.array_equal(rows, same)
    assert rows["value"] == pytest.approx([value for row in values for value in row], rel=1e-9, abs=1e-300)


def test_two_nodes_come_in_the_order_of_time(tmp_path: Path) -> None:
    for node, offset in (("algo-1", 0.0), ("algo-2", 0.1)):
        writer = SystemMetricsWriter(tmp_path, node)
        for n in range(3):
            writer.write(START + n + offset, sample({KEYS[0]: n}, node))
        writer.close()
    found = read_system_rows(tmp_path)
    assert [found.series[one].node for one in found.rows["series"]] == ["algo-1", "algo-2"] * 3
    assert last_timestamp(tmp_path, "algo-2") == START + 2.1
    assert last_timestamp(tmp_path, "algo-3") == 0.0


DAMAGE = [
    b'{"Type":"cpu","Name":"cpu0","Dim', b"\x00\xff\xfe garbage", b"[1,2]", b"null", b"{}",
    b'{"Type":"cpu","Name":"cpu0","Dimension":"CPUUtilization","Value":"high","NodeId":"algo-1","Timestamp":1}',
    b'{"Type":"cpu","Name":"cpu0","Dimension":"CPUUtilization","Value":NaN,"NodeId":"algo-1","Timestamp":1}',
    b'{"Type":"cpu","Name":"cpu0","Dimension":"CPUUtilization","Value":1,"NodeId":"algo-1"}',
    b'{"Type":"cpu","Name":"cpu0","Dimension":"CPUUtilization","Value":1,"NodeId":"algo-1","Timestamp":9e12}',
    b'{"Type":"cpu","Name":"cpu0","Dimension":"CPUUtilization","Value":1,"NodeId":"algo-1","Timestamp":0}',
    b'{"Type":"cpu","Name":"cpu0","Dimension":"CPUUtilization","Value":1e308,"NodeId":"algo-1","Timestamp":1795260600}',
    b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_damaged_lines_are_counted_and_the_others_read(tmp_path: Path, damage: bytes) -> None:
    writer = SystemMetricsWriter(tmp_path)
    writer.write(START, sample(dict.fromkeys(KEYS, 1.5)))
    writer.close()
    path = tmp_path / file_path(int(START), "algo-1")
    path.write_bytes(damage + b"\n" + path.read_bytes() + damage)
    found = read_system_rows(tmp_path)
    assert found.damaged_lines == 2
    assert found.rows["value"].tolist() == [1.5] * 3


def test_a_value_hidden_in_a_name_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / file_path(int(START), "algo-1")
    path.parent.mkdir(parents=True)
    row = {"Type": "cpu", "Name": '"Value":7,', "Dimension": "", "Value": 5.0, "NodeId": "algo-1", "Timestamp": START}
    path.write_text(json.dumps(row, separators=(",", ":")) + "\n")
    found = read_system_rows(tmp_path)
    assert found.rows["value"].tolist() == [5.0]
    assert found.series[0].name == '"Value":7,'


def test_nothing_is_no_error(tmp_path: Path) -> None:
    assert len(read_system_rows(tmp_path / "nowhere").rows) == 0
    (tmp_path / "system" / "incremental" / "2026112111").mkdir(parents=True)
    (tmp_path / "system" / "incremental" / "2026112111" / "1795260600.algo-1.json").touch()
    assert len(read_system_rows(tmp_path).rows) == 0
