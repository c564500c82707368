from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from tintype.errors import InvalidRequest
from tintype.profiler.gpus import NoGpus, NvmlGpus
from tintype.profiler.machine import Gpu, read_machines
from tintype.profiler.sampler import Clocks, Sampler
from tintype.profiler.system_metrics import (
    CPU_UTILIZATION,
    END_MARKER,
    GPU_MEMORY,
    GPU_UTILIZATION,
    IO_WAIT,
    MEMORY_USED,
    PROCESS_MEMORY,
    SYSTEM,
)  # fmt: skip
from tintype.profiler.system_reader import read_system_rows

NOW = 1_795_260_600.0


class EightGpus:
    """Eight devices that are always half busy."""

    devices = (Gpu("H200", 1 << 37),) * 8
    note = ""

    def read(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        for n in range(8):
            yield n, {GPU_UTILIZATION: 50.0, GPU_MEMORY: 10.0 + n}


class Turning:
    """Time that passes when somebody waits; each wait may end late. The calendar may jump."""

    def __init__(self, jump_at: float = 1e9, jump: float = 0.0, late: float = 0.0) -> None:
        self.passed, self.waits = 0.0, []
        self.jump_at, self.jump, self.late = jump_at, jump, late

    def calendar(self) -> float:
        return NOW + self.passed + (self.jump if self.passed >= self.jump_at else 0.0)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.passed += seconds + self.late
        time.sleep(0.03)                # so that the kernel's counters move

    def clocks(self) -> Clocks:
        return Clocks(self.calendar, lambda: self.passed, self.sleep)


def ended_after(samples: int, turning: Turning) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(["sleep", "600"])
    sleep = turning.sleep

    def counted(seconds: float) -> None:
        sleep(seconds)
        if len(turning.waits) == samples:
            process.kill()
            process.wait()

    turning.sleep = counted
    return process


def test_samples_until_the_process_ends(tmp_path: Path) -> None:
    turning = Turning()
    process = ended_after(4, turning)
    said: list[str] = []
    Sampler(tmp_path, process.pid, "algo-1", 0.5, EightGpus(), turning.clocks()).run(said.append)
    found = read_system_rows(tmp_path)
    assert np.unique(found.rows["time"]).tolist() == [NOW + 0.5, NOW + 1.0, NOW + 1.5]
    cores = {one.name for one in found.series if one.dimension == CPU_UTILIZATION}
    assert cores == {f"cpu{n}" for n in range(os.cpu_count() or 1)} == {
        one.name for one in found.series if one.dimension == IO_WAIT
    }
    assert sum(one.dimension == GPU_MEMORY for one in found.series) == 8
    assert {MEMORY_USED, "ReceiveBytesPerSecond", "IOPS"} <= {one.name for one in found.series}
    [memory] = [n for n, one in enumerate(found.series) if one.dimension == PROCESS_MEMORY]
    assert found.rows["value"][found.rows["series"] == memory].max() > 100_000
    assert (tmp_path / SYSTEM / END_MARKER).exists()
    assert len(read_machines(tmp_path)["algo-1"].gpus) == 8
    assert said == []


def test_late_samples_do_not_shift_the_others(tmp_path: Path) -> None:
    turning = Turning(late=0.3)
    process = ended_after(6, turning)
    Sampler(tmp_path, process.pid, "algo-1", 0.5, NoGpus("no GPU"), turning.clocks()).run(lambda _: None)
    assert turning.waits[0] == 0.5
    assert turning.waits[1:] == pytest.approx([0.2] * 5)    # each is due at a multiple of half a second


def test_a_clock_put_back_turns_no_time_back(tmp_path: Path) -> None:
    turning = Turning(jump_at=1.0, jump=-3600.0)
    process = ended_after(4, turning)
    Sampler(tmp_path, process.pid, "algo-1", 0.5, NoGpus("no GPU"), turning.clocks()).run(lambda _: None)
    again = Turning(jump_at=0.0, jump=-3600.0)              # restarted by its supervisor
    process = ended_after(3, again)
    Sampler(tmp_path, process.pid, "algo-1", 0.5, NoGpus("no GPU"), again.clocks()).run(lambda _: None)
    times = np.unique(read_system_rows(tmp_path).rows["time"])
    assert times.tolist() == [NOW + 0.5, NOW + 1.0, NOW + 1.5, NOW + 2.5, NOW + 3.0]


def test_a_full_disk_is_said_once_and_survived(tmp_path: Path) -> None:
    (tmp_path / SYSTEM).write_text("in the way")
    turning, said = Turning(), []
    process = ended_after(4, turning)
    sampler = Sampler(tmp_path, process.pid, "algo-1", 0.5, NoGpus("this machine has no GPU"), turning.clocks())
    sampler.run(said.append)
    assert len(said) == 2
    assert said[0] == "this machine has no GPU"
    assert sampler.lost >= 3


def test_intervals_are_sagemakers(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"from 0\.1 to 60\.0 s, got 0\.05"):
        Sampler(tmp_path, os.getpid(), "algo-1", 0.05, NoGpus(""), Turning().clocks())


class Refusing:
    """An NVML that counts one device and then says nothing but no."""

    NVML_CLOCK_SM = 1

    class NVMLError(Exception):
        pass

    def nvmlInit(self) -> None: ...
    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return b"H200"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> object:
        return type("Memory", (), {"total": 100, "used": 25})

    def __getattr__(self, name: str) -> object:
        def refuse(*given: object) -> float:
            raise self.NVMLError("Insufficient Permissions")

        return refuse


def test_a_device_that_tells_little_is_still_read() -> None:
    gpus = NvmlGpus(Refusing())
    assert gpus.devices == (Gpu("H200", 100),)
    assert dict(gpus.read()) == {0: {GPU_MEMORY: 25.0, "GPUMemoryUsedBytes": 25.0}}


class Guarded(Refusing):
    """An NVML of four devices, two of which this container may not open; none tells its name or its memory."""

    allowed: tuple[int, ...] = (1, 3)

    def nvmlDeviceGetCount(self) -> int:
        return 4

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index not in self.allowed:
            raise self.NVMLError("Insufficient Permissions")
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        raise self.NVMLError("Not Supported")

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> object:
        raise self.NVMLError("Not Supported")

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> object:
        return type("Rates", (), {"gpu": 10 * handle})


def test_devices_that_may_not_be_opened_are_left_out_and_named() -> None:
    gpus = NvmlGpus(Guarded())
    assert gpus.note == "not measured: gpu0, gpu2: Insufficient Permissions"
    assert gpus.devices == (Gpu("", 0), Gpu("", 0))
    assert list(gpus.read()) == [(1, {GPU_UTILIZATION: 10.0}), (3, {GPU_UTILIZATION: 30.0})]


def test_without_permission_for_any_device_it_says_why() -> None:
    library = Guarded()
    library.allowed = ()
    gpus = NvmlGpus(library)
    assert gpus.note == "no GPU was measured: Insufficient Permissions"
    assert (gpus.devices, list(gpus.read())) == ((), [])


def test_the_program(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "600"])
    command = [sys.executable, "-m", "tintype.profiler", "--directory", str(tmp_path), "--pid", str(process.pid)]
    sampler = subprocess.Popen([*command, "--interval-ms", "200"], stderr=subprocess.PIPE)
    until = time.monotonic() + 120
    while len(np.unique(read_system_rows(tmp_path).rows["time"])) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    process.kill()
    process.wait()
    _, said = sampler.communicate(timeout=120)
    assert sampler.returncode == 0, said
    assert len(np.unique(read_system_rows(tmp_path).rows["time"])) >= 2
    assert subprocess.run([*command, "--interval-ms", "5"], capture_output=True, check=False).returncode == 2
