from __future__ import annotations

import errno
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.profiler.recordings import START, Ticking, span_writer
from tintype.profiler import span_writer as module
from tintype.profiler.phases import Outside, Phase, StepMode
from tintype.profiler.span_files import Span, StepSpan, temporary_path
from tintype.profiler.span_reader import read_framework_spans
from tintype.profiler.span_writer import SpanWriter

MS = 1_000_000


def step(number: int, at: int) -> StepSpan:
    phases = ((Phase.DATA_WAIT, at, 2 * MS), (Phase.FORWARD, at + 3 * MS, 4 * MS))
    return StepSpan(StepMode.TRAIN, number, at, at + 10 * MS, phases, MS, MS // 2)


def test_a_file_is_a_chrome_trace_with_smdebugs_names(tmp_path: Path) -> None:
    clock = Ticking()
    writer = span_writer(tmp_path, clock)
    writer.add(step(0, clock.now + 100 * MS))
    writer.add(Span(Outside.EVALUATION, Outside.EVALUATION, clock.now, clock.now + MS, (("step_num", "1"),)))
    writer.end()
    [path] = (tmp_path / "framework" / "pevents").rglob("*.json")
    assert path.parent.name == "2026112111"
    assert path.name == f"{int((START + 0.110) * 1e6)}_0-algo-1_pythontimeline.json"
    events = json.loads(path.read_text())
    assert events[0]["args"] == {"start_time_since_epoch_in_micros": int(START * 1e6)}
    assert [one["args"]["name"] for one in events[1:] if one["name"] == "process_name"] == [
        "Step:ModeKeys.TRAIN", "Evaluation",
    ]  # fmt: skip
    [written] = [one for one in events if one["name"] == "Step:ModeKeys.TRAIN" and one["ph"] == "X"]
    assert (written["ts"], written["dur"], written["args"]["step_num"]) == (100_000, 10_000, "0")
    assert written["args"]["spans"] == {"data_wait": [0, 2000], "forward": [3000, 4000]}
    assert (tmp_path / "framework" / "training_job_end.ts").exists()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    clock = Ticking()
    writer = span_writer(tmp_path, clock)
    for number in range(3):
        writer.add(step(number, clock.now + 20 * MS * number))
    args = (("num_workers", 4), ("pin_memory", True))
    writer.add(Span(Outside.LOADER_START, Outside.LOADER_START, clock.now, clock.now + 5 * MS, args))
    writer.close()
    found = read_framework_spans(tmp_path)
    assert found.steps["number"].tolist() == [0, 1, 2]
    assert found.steps["start"] == pytest.approx([START, START + 0.02, START + 0.04])
    assert found.steps["forward"] == pytest.approx([0.004] * 3)
    assert found.steps["forward_at"] == pytest.approx([0.003] * 3)
    assert found.steps["backward"].tolist() == [0.0] * 3
    assert found.steps["waiting_cpu"] == pytest.approx([0.001] * 3)
    assert found.steps["decode"] == pytest.approx([0.0005] * 3)
    assert found.loaders[0]["num_workers"] == 4
    assert found.nodes == ("0-algo-1",)
    assert found.damaged == 0


def until_closed(root: Path, count: int) -> None:
    """Wait until the writer's thread has given so many files their names."""
    deadline = time.monotonic() + 60
    while len(list(root.rglob("*_pythontimeline.json"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_files_are_closed_every_minute_and_ten_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(module, "ROTATE_BYTES", 4000)
    clock = Ticking()
    writer = SpanWriter(tmp_path, "0-algo-1", lambda: START, clock)
    for number in range(60):
        clock.pass_ms(10)
        writer.add(step(number, clock.now))
        if number == 29:                    # more than 4,000 bytes
            until_closed(tmp_path, 1)
    clock.pass_ms(61_000)
    until_closed(tmp_path, 2)
    writer.close()
    assert not (tmp_path / temporary_path("0-algo-1")).exists()
    found = read_framework_spans(tmp_path)
    assert found.steps["number"].tolist() == list(range(60))
    for path in tmp_path.rglob("*.json"):
        assert json.loads(path.read_text())


def test_a_killed_process_leaves_what_was_flushed(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        clock = Ticking()
        writer = span_writer(tmp_path, clock)
        writer.add(step(7, clock.now))
        writer.flush()
        os.write(writer._descriptor, b'{"name": "Step:ModeKeys.TRAIN", "pi')
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    found = read_framework_spans(tmp_path)
    assert found.steps["number"].tolist() == [7]
    assert found.damaged == 0                               # a line that is being written is no damage
    clock = Ticking()
    again = span_writer(tmp_path, clock)
    clock.pass_ms(5000)
    again.add(step(8, clock.now))
    again.close()
    assert read_framework_spans(tmp_path).steps["number"].tolist() in ([7, 8], [8, 7])
    for path in tmp_path.rglob("*_pythontimeline.json"):
        assert json.loads(path.read_text())


@pytest.mark.parametrize("written", [10, -errno.ENOSPC])
def test_a_full_disk_loses_spans_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    clock, write = Ticking(), os.write
    writer = span_writer(tmp_path, clock)
    writer.add(step(0, clock.now))
    writer.flush()

    def short(descriptor: int, content: bytes) -> int:
        if written < 0:
            raise OSError(-written, "No space left on device")
        return write(descriptor, content[:written])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        writer.add(step(1, clock.now))
        writer.flush()
    assert writer.left_out == 1
    writer.add(step(2, clock.now + MS))
    writer.close()
    assert read_framework_spans(tmp_path).steps["number"].tolist() == [0, 2]


def test_a_disk_that_stays_full_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "framework").write_text("in the way")
    clock = Ticking()
    writer = span_writer(tmp_path, clock)
    for number in range(60):
        writer.add(step(number, clock.now))
        writer.flush()
    assert writer.left_out == 60
    writer.close()


def test_a_full_queue_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_LENGTH", 5)
    clock = Ticking()
    writer = span_writer(tmp_path, clock)
    for number in range(8):
        writer.add(step(number, clock.now + number))
    writer.close()
    assert writer.left_out == 3
    assert len(read_framework_spans(tmp_path).steps) == 5


def test_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    clock = Ticking()
    writer = span_writer(tmp_path, clock)
    writer.add(step(0, clock.now))
    child = os.fork()
    if not child:
        writer.add(step(1, clock.now))
        writer.flush()
        writer.close()
        os._exit(0)
    os.waitpid(child, 0)
    writer.close()
    assert np.array_equal(read_framework_spans(tmp_path).steps["number"], [0])
