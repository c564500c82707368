"""Profiles from clocks that are put back, machines of other time zones, and machines of many cores and GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.profiler.recordings import START
from tests.rules.profiles import COMPUTING, Told
from tintype.profiler.breakdown import break_down
from tintype.profiler.readers import open_profile
from tintype.profiler.system_metrics import CPU_UTILIZATION, GPU_UTILIZATION
from tintype.profiler.system_reader import read_system_rows
from tintype.reports.wording import moment
from tintype.rules.profiler_catalogue import judge_profile, make_report_rules

SAMPLES, INTERVAL = 80, 0.5


def write_as_aws(root: Path, times: list[float]) -> None:
    """One file, in the spelling of AWS's agent: two cores at each of `times`."""
    path = root / "system" / "incremental" / "2026112116" / f"{int(START)}.algo-1.json"
    path.parent.mkdir(parents=True)
    rows = [
        {"Type": "cpu", "Name": f"cpu{core}", "Dimension": CPU_UTILIZATION, "Value": 50.0, "NodeId": "algo-1",
         "Timestamp": time}
        for time in times for core in (0, 1)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("jump", [3.0, 20.0, 3600.0, 40_000.0])
def test_a_clock_put_back_inside_a_file_does_not_move_the_start_of_the_job(tmp_path: Path, jump: float) -> None:
    times = [START + INTERVAL * n - (jump if n >= 30 else 0.0) for n in range(SAMPLES)]
    write_as_aws(tmp_path, times)
    table = open_profile(tmp_path).system().table(CPU_UTILIZATION, "algo-1")
    assert table.times.tolist() == pytest.approx([START + INTERVAL * n for n in range(SAMPLES)])
    assert table.values.shape == (SAMPLES, 2)


def test_a_clock_put_back_twice(tmp_path: Path) -> None:
    write_as_aws(tmp_path, [START + INTERVAL * n - 100.0 * (n // 30) for n in range(SAMPLES)])
    start, end = open_profile(tmp_path).extent or (0.0, 0.0)
    assert start == START
    assert end - start == pytest.approx(INTERVAL * (SAMPLES - 1))


@pytest.mark.parametrize("place", [0, 1, 57, 2 * SAMPLES - 1])
@pytest.mark.parametrize("wrong", [5000.0, -5000.0, 1e9])
def test_a_single_damaged_time_is_no_clock_put_back(tmp_path: Path, place: int, wrong: float) -> None:
    write_as_aws(tmp_path, [START + INTERVAL * n for n in range(SAMPLES)])
    path = next(tmp_path.rglob("*.json"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[place]["Timestamp"] += wrong
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows = read_system_rows(tmp_path).rows
    right = np.delete(np.repeat([START + INTERVAL * n for n in range(SAMPLES)], 2), place)
    assert set(right.tolist()) <= set(rows["time"].tolist())
    assert int(np.isin(rows["time"], right).sum()) == len(right)


WRITER = """
import sys
from pathlib import Path
from tests.rules.profiles import COMPUTING, Told
Told(seconds=20, steps=40, phases=COMPUTING).write(Path(sys.argv[1]))
"""
READER = """
import json, sys
from pathlib import Path
from tintype.profiler.breakdown import break_down
from tintype.profiler.readers import open_profile
from tintype.reports.wording import moment
job = open_profile(Path(sys.argv[1]))
times = break_down(job)
frame = job.system().to_frame()
print(json.dumps([*job.extent, times.loop_start, moment(job.extent[0]), str(frame["timestamp"].iloc[0])]))
"""


def in_zone(zone: str, script: str, folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", script, str(folder)], env={**os.environ, "TZ": zone}, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip


def test_writer_and_reader_may_live_in_other_time_zones(tmp_path: Path) -> None:
    in_zone("Asia/Kathmandu", WRITER, tmp_path / "there")
    in_zone("UTC", WRITER, tmp_path / "here")
    names = [sorted(str(path.relative_to(root)) for path in root.rglob("*.json") if path.is_file())
             for root in (tmp_path / "there", tmp_path / "here")]  # fmt: skip
    assert names[0] == names[1]
    said = {in_zone(zone, READER, tmp_path / "there") for zone in ("America/St_Johns", "Asia/Kathmandu", "UTC")}
    assert len(said) == 1
    start, end, loop_start, words, stamp = json.loads(said.pop())
    assert start == START
    assert end - start == pytest.approx(19.5, abs=5)
    assert loop_start == pytest.approx(START + 1, abs=0.1)
    assert words == moment(START)
    assert stamp.endswith("+00:00")


NIGHT = 1_793_512_740.0                 # 1 November 2026, 05:59 UTC: a minute before New York puts its clocks back


def test_summer_time_ends_in_the_middle_of_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    monkeypatch.setattr("tests.rules.profiles.START", NIGHT)
    monkeypatch.setattr("tests.profiler.recordings.START", NIGHT)
    time_zone_changed()
    try:
        job = Told(seconds=120, steps=400, phases=COMPUTING).write(tmp_path)
        times = break_down(job)
        assert job.extent is not None
        assert times is not None
        assert job.extent[1] - job.extent[0] == pytest.approx(119.5, abs=1)
        assert times.loop_start - job.extent[0] == pytest.approx(1.0, abs=0.1)
        assert {path.parent.name for path in (tmp_path / "system").rglob("*.algo-1.json")} == {
            "2026110105", "2026110106",
        }  # fmt: skip
    finally:
        monkeypatch.undo()
        time_zone_changed()


def time_zone_changed() -> None:
    import time

    time.tzset()


def test_sixty_four_cores_and_eight_gpus(tmp_path: Path) -> None:
    told = Told(
        seconds=60, cores=64, steps=400, phases=COMPUTING, gpus=(90.0,) * 7 + (20.0,), gpu_memory=50.0, workers=8,
        instance_type="ml.p4d.24xlarge",
    )  # fmt: skip
    job = told.write(tmp_path)
    assert job.system().table(CPU_UTILIZATION, "algo-1").names == tuple(f"cpu{n}" for n in range(64))
    assert job.system().table(GPU_UTILIZATION, "algo-1").names == tuple(f"gpu{n}" for n in range(8))
    found = {one.rule: one for one in judge_profile(job, make_report_rules())}
    assert not [one.rule for one in found.values() if one.crashed]
    assert [one.message.split()[0] for one in found["LowGPUUtilization"].findings] == ["gpu7"]
    assert len(found["LoadBalancing"].findings) == 7
    assert all("gpu7" in one.message for one in found["LoadBalancing"].findings)
