"""Writing beside the training: in order, bounded, and never in its way."""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from tintype.debugger.background import BackgroundWriter
from tintype.debugger.collection import BUILT_IN
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.modes import Mode
from tintype.debugger.step_record import StepRecord
from tintype.debugger.tensor_log import open_log


def record(step: int, size: int = 10) -> StepRecord:
    one = StepRecord.at(step, Mode.TRAIN, step, 0.0)
    one.add("x", np.full(size, step, np.float32))
    return one


def test_all_that_was_submitted_is_written_in_order(tmp_path: Path) -> None:
    background = BackgroundWriter(TensorLogWriter(tmp_path))
    for step in range(50):
        background.submit(record(step))
    background.submit_collections(BUILT_IN.values())
    background.submit(StepRecord.at(77, Mode.TRAIN, 77, 0.0))      # nothing in it
    background.close()
    background.close()
    log = open_log(tmp_path)
    assert log.steps() == list(range(50))
    assert log.ended
    assert "losses" in log.collections
    assert background.losses == {}


@pytest.mark.parametrize("limits", [{"waiting_bytes": 100}, {"waiting_steps": 2}])
def test_the_queue_is_bounded(tmp_path: Path, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    writer = TensorLogWriter(tmp_path)
    gate = threading.Event()
    write = writer.write

    def slow(one: StepRecord) -> None:
        gate.wait(120)
        write(one)

    monkeypatch.setattr(writer, "write", slow)
    background = BackgroundWriter(writer, **limits)
    submitted: list[int] = []

    def train() -> None:
        for step in range(8):
            background.submit(record(step))
            submitted.append(step)

    training = threading.Thread(target=train)
    training.start()
    while len(submitted) < 2:
        training.join(0.01)
    training.join(0.3)
    assert len(submitted) <= 4              # one is being written, two wait at most, and one more may just be put in
    gate.set()
    training.join(120)
    background.close()
    assert open_log(tmp_path).steps() == list(range(8))


def test_a_record_larger_than_the_queue_still_passes(tmp_path: Path) -> None:
    background = BackgroundWriter(TensorLogWriter(tmp_path), waiting_bytes=10)
    background.submit(record(0, 10_000))
    background.close()
    assert open_log(tmp_path).steps() == [0]


def test_a_full_disk_is_noted_once_and_costs_only_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    background = BackgroundWriter(TensorLogWriter(tmp_path))
    background.submit(record(0))
    background.flush()
    real = os.writev
    full = threading.Event()
    full.set()

    def writev(descriptor: int, buffers: list[memoryview]) -> int:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, buffers)

    monkeypatch.setattr(os, "writev", writev)
    with caplog.at_level(logging.ERROR):
        for step in range(1, 6):
            background.submit(record(step))
        background.flush()
    full.clear()
    background.submit(record(6))
    background.close()
    assert len(caplog.records) == 1
    log = open_log(tmp_path)
    assert log.steps() == [0, 6]
    (loss,) = json.loads((tmp_path / "tintype/worker_0.errors.json").read_bytes())["losses"]
    assert (loss["steps"], loss["first_step"], loss["last_step"]) == (5, 1, 5)
    assert "the disk is full" in loss["reason"]
    assert "5 steps could not be saved" in log.problems["tintype/worker_0.errors.json"]


def test_a_forked_process_does_not_write_and_does_not_wait(tmp_path: Path) -> None:
    background = BackgroundWriter(TensorLogWriter(tmp_path))
    background.submit(record(0))
    background.flush()
    child = os.fork()
    if not child:
        background.submit(record(1))
        background.flush()
        background.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    background.close()
    assert open_log(tmp_path).steps() == [0]
