"""What a running job does just now, from the newest files of its profile alone."""

from __future__ import annotations

from pathlib import Path

from tests.profiler.recordings import START
from tests.rules.profiles import Told
from tintype.profiler.live import look_live
from tintype.profiler.phases import Phase
from tintype.profiler.readers import JobProfile
from tintype.profiler.system_metrics import END_MARKER

PHASES = {Phase.DATA_WAIT: 60.0, Phase.FORWARD: 20.0, Phase.BACKWARD: 20.0}


def test_utilisation_step_time_and_the_limiter(tmp_path: Path) -> None:
    Told(30.0, cpu=40.0, memory=25.0, gpus=(70.0, 90.0), steps=200, phases=PHASES).write(tmp_path)
    live = look_live(tmp_path, START + 30)
    assert live is not None
    assert (live.cpu_percent, live.memory_percent, live.gpu_percent) == (40.0, 25.0, 80.0)
    assert live.steps == 200
    assert live.step_seconds is not None
    assert abs(live.step_seconds - 0.1) < 0.001
    assert live.data_wait_percent is not None
    assert abs(live.data_wait_percent - 60) < 1
    assert live.limiter == "loader latency"
    assert "workers" in live.change


def test_old_files_are_not_opened(tmp_path: Path) -> None:
    Told(600.0, steps=100, phases=PHASES).write(tmp_path)
    late = JobProfile(tmp_path, since=START + 540)
    assert 0 < len(late.system().rows) < 0.3 * len(JobProfile(tmp_path).system().rows)
    live = look_live(tmp_path, START + 600)
    assert live is not None
    assert live.cpu_percent == 50.0


def test_a_job_that_has_measured_nothing_yet(tmp_path: Path) -> None:
    assert look_live(tmp_path / "nowhere", START) is None
    assert look_live(tmp_path, START) is None
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / END_MARKER).touch()
    assert look_live(tmp_path, START) is None


def test_a_machine_without_steps(tmp_path: Path) -> None:
    Told(30.0).write(tmp_path)
    live = look_live(tmp_path, START + 30)
    assert live is not None
    assert (live.cpu_percent, live.steps, live.step_seconds, live.limiter) == (50.0, None, None, None)
