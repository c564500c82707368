"""`python -m tintype.profiler` as the engine starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tintype.errors import InvalidRequest
from tintype.profiler.__main__ import PROGRAMS, main, program_of
from tintype.profiler.readers import open_profile
from tintype.profiler.system_metrics import END_MARKER, PROCESS_CPU, SYSTEM


def test_it_samples_the_program_that_the_engine_names_until_it_is_told_of_the_end(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tintype.profiler", "--directory", str(tmp_path), "--interval-ms", "100"]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        sampler = subprocess.Popen(command, env={**os.environ, PROGRAMS: str(os.getpid())})
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    until = time.monotonic() + 120
    while not list(tmp_path.rglob("*.algo-1.json")) and time.monotonic() < until:
        time.sleep(0.05)
    sampler.send_signal(signal.SIGTERM)
    assert sampler.wait(120) == 0
    assert (tmp_path / SYSTEM / END_MARKER).exists()
    assert open_profile(tmp_path).system().table(PROCESS_CPU, "algo-1")


def test_a_sampler_that_is_killed_goes_on_in_the_same_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tintype.profiler", "--directory", str(tmp_path), "--interval-ms", "100"]
    counts = []
    for _ in range(2):
        sampler = subprocess.Popen([*command, "--pid", str(os.getpid())])
        until = time.monotonic() + 120
        while time.monotonic() < until:
            found = open_profile(tmp_path).system()
            if found and len(found.rows) > (counts[-1] if counts else 0):
                break
            time.sleep(0.05)
        sampler.kill()
        sampler.wait()
        counts.append(len(open_profile(tmp_path).system().rows))
    assert counts[1] > counts[0] > 0
    assert open_profile(tmp_path).system().damaged_lines == 0


def test_the_program_of_each_host() -> None:
    told = {PROGRAMS: "12,34"}
    assert [program_of(host, told) for host in ("algo-1", "algo-2")] == [12, 34]
    for host, environ in (("algo-3", told), ("algo-0", told), ("mine", told), ("algo-1", {})):
        with pytest.raises(InvalidRequest, match="which process"):
            program_of(host, environ)


def test_wrong_use_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--directory", str(tmp_path), "--pid", str(os.getpid()), "--interval-ms", "5"]) == 2
    assert "from 0.1 to 60.0" in capsys.readouterr().err
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
