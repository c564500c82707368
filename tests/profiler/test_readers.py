from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tintype.profiler
from tests.profiler.recordings import START, Ticking, sample, span_writer
from tests.rules.profiles import Told
from tintype.errors import NotFound
from tintype.profiler.machine import Machine
from tintype.profiler.phases import Phase, StepMode
from tintype.profiler.readers import open_profile
from tintype.profiler.span_files import StepSpan
from tintype.profiler.system_metrics import CPU_UTILIZATION, GPU_UTILIZATION, MEMORY_USED, Kind
from tintype.profiler.system_writer import SystemMetricsWriter
from tintype.profiler.timeline import write_timeline


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    writer = SystemMetricsWriter(tmp_path)
    for n in range(4):
        values = {(Kind.CPU, f"cpu{core}", CPU_UTILIZATION): 10.0 * core + n for core in range(12)}
        values[Kind.MEMORY, MEMORY_USED, ""] = 50.0 + n
        if n != 2:
            values[Kind.GPU, "gpu0", GPU_UTILIZATION] = float(n)
        writer.write(START + n / 2, sample(values))
    writer.end()
    clock = Ticking()
    spans = span_writer(tmp_path, clock)
    for number in range(3):
        start = clock.now + number * 400_000_000
        spans.add(StepSpan(StepMode.TRAIN, number, start, start + 300_000_000, ((Phase.FORWARD, start, 10_000_000),)))
    spans.close()
    Machine("algo-1", 12, 12.0, 1 << 34, 1 << 34).save(tmp_path)
    return tmp_path


def test_tables_have_a_row_for_a_sample_and_a_column_for_a_name(profile: Path) -> None:
    system = open_profile(profile).system()
    cores = system.table(CPU_UTILIZATION, "algo-1")
    assert cores.names == tuple(f"cpu{n}" for n in range(12))      # cpu2 before cpu10
    assert cores.times.tolist() == [START, START + 0.5, START + 1, START + 1.5]
    assert cores.column("cpu11").tolist() == [110.0, 111.0, 112.0, 113.0]
    assert cores.mean().tolist() == [55.0, 56.0, 57.0, 58.0]
    assert system.table("", "algo-1", MEMORY_USED).values.ravel().tolist() == [50.0, 51.0, 52.0, 53.0]
    assert not system.table("Nothing", "algo-1")
    together = system.together("algo-1", CPU_UTILIZATION, GPU_UTILIZATION)
    assert together[1].values.ravel()[[0, 1, 3]].tolist() == [0.0, 1.0, 3.0]
    assert np.isnan(together[1].values[2, 0])


def test_frames_of_pandas(profile: Path) -> None:
    found = open_profile(profile)
    frame = found.system().to_frame()
    assert list(frame.columns) == ["timestamp", "value", "type", "name", "dimension", "node"]
    assert len(frame) == 4 * 14 - 1
    assert str(frame["timestamp"].dt.tz) == "UTC"
    steps = found.steps().to_frame()
    assert steps["mode"].tolist() == ["TRAIN"] * 3
    assert steps["duration"].tolist() == pytest.approx([0.3] * 3)


def test_the_extent_and_the_machine(profile: Path) -> None:
    found = open_profile(profile)
    assert found.extent == (START, START + 1.5)
    assert found.cores("algo-1") == 12
    assert found.gpus("algo-1") == 1
    assert found.has_ended


def test_a_profile_of_nothing(tmp_path: Path) -> None:
    found = open_profile(tmp_path)
    assert found.extent is None
    assert not found.system()
    assert len(found.steps()) == 0
    assert len(found.system().to_frame()) == len(found.steps().to_frame()) == 0
    assert not found.system().table(CPU_UTILIZATION, "algo-1")
    assert json.loads(write_timeline(found).read_text())["traceEvents"]
    with pytest.raises(NotFound, match="no profile"):
        open_profile(tmp_path / "nowhere")


def test_one_timeline_of_everything(profile: Path) -> None:
    events = json.loads(write_timeline(open_profile(profile)).read_text())["traceEvents"]
    steps = [one for one in events if one["name"] == "Step:ModeKeys.TRAIN"]
    forward = [one for one in events if one["name"] == "forward"]
    assert [one["ts"] for one in steps] == pytest.approx([0.0, 4e5, 8e5], abs=2)
    for outer, inner in zip(steps, forward, strict=True):
        assert outer["ts"] <= inner["ts"] <= inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"]
    counters = [one for one in events if one["ph"] == "C" and one["name"] == CPU_UTILIZATION]
    assert [one["ts"] for one in counters] == [0.0, 5e5, 1e6, 1.5e6]
    assert counters[0]["args"]["cpu11"] == 110.0
    part = write_timeline(open_profile(profile), profile / "part.json", START + 0.75, START + 1.1)
    names = [one["name"] for one in json.loads(part.read_text())["traceEvents"]]
    assert names.count("Step:ModeKeys.TRAIN") == 1


@pytest.mark.data
def test_aws_profiles_open(shared_data: Callable[[str], Path]) -> None:
    found = open_profile(shared_data("aws-profiler-traces") / "test_traces")
    assert found.cores("algo-1") == 32
    assert found.extent is not None
    assert len(found.system().to_frame()) == 78


def test_a_profile_is_opened_by_name_by_folder_and_by_itself(tmp_path: Path) -> None:
    root = tmp_path / "jobs" / "mine" / "profiler-output"
    Told(5.0, steps=10, phases={Phase.FORWARD: 10.0}).write(root)
    for job, home in (("mine", tmp_path), (root.parent, None), (str(root), None)):
        assert len(tintype.profiler.open(job, home).steps().to_frame()) == 10
    with pytest.raises(NotFound, match="'yours'"):
        tintype.profiler.open("yours", tmp_path)
