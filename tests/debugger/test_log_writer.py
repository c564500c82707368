"""What is on the disk after a step, and what is not when something went wrong."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest

from tintype.debugger.collection import BUILT_IN, Collection
from tintype.debugger.journal import ROW
from tintype.debugger.layout import event_path
from tintype.debugger.log_location import log_files
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.modes import Mode
from tintype.debugger.record_reading import scan
from tintype.debugger.reductions import Reductions
from tintype.debugger.step_record import DatedNumber
from tintype.debugger.tensor_log import open_log
from tintype.errors import Conflict, InvalidRequest, StorageFailed


def write_losses(location: Path | str, steps: range, worker: str = "worker_0", workers: int = 1) -> TensorLogWriter:
    writer = TensorLogWriter(location, worker, workers, clock=lambda: 0.0)
    writer.write_collections(BUILT_IN.values())
    for step in steps:
        with writer.step(step, Mode.TRAIN, step) as record:
            record.add("loss_output_0", np.float32(step))
    return writer


def test_the_files_of_a_step(tmp_path: Path) -> None:
    writer = TensorLogWriter(tmp_path, clock=lambda: 0.0)
    with writer.step(2001, Mode.EVAL, 100) as record:
        record.add("weight", np.zeros((2, 3), np.float32))
        record.add_reduction("weight", "mean", 0.5)
        record.add_reduction("weight", "zeros", 1.0)
        record.add_shape("weight", (2, 3))
        record.add_shape("other", (7,))
    index = json.loads((tmp_path / "index/000000002/000000002001_worker_0.json").read_bytes())
    assert index["meta"] == {
        "mode": "EVAL", "mode_step": 100, "event_file_name": "events/000000002001/000000002001_worker_0.tfevents"
    }  # fmt: skip
    size = (tmp_path / index["meta"]["event_file_name"]).stat().st_size
    first, second = index["tensor_payload"]
    assert [first["tensorname"], second["tensorname"]] == ["weight", "smdebug/reductions/mean/weight"]
    assert (first["start_idx"], second["start_idx"]) == (0, first["length"])
    (ours,) = index["tintype_payload"]
    assert ours["tensorname"] == "tintype/reductions/zeros/weight"
    assert ours["start_idx"] + ours["length"] == size
    assert index["shape_payload"] == [{"tensorname": "other", "originalname": "other", "shape": [7]}]


def test_shapes_alone_need_no_event_file(tmp_path: Path) -> None:
    with TensorLogWriter(tmp_path).step(0) as record:
        record.add_shape("x", (2, 0))
    assert not (tmp_path / "events").exists()
    assert open_log(tmp_path).shape("x", 0) == (2, 0)


def test_an_empty_step_and_a_failed_block_leave_nothing(tmp_path: Path) -> None:
    writer = TensorLogWriter(tmp_path)
    with writer.step(0):
        pass
    with contextlib.suppress(ZeroDivisionError), writer.step(1) as record:
        record.add("x", 1)
        raise ZeroDivisionError
    assert not (tmp_path / "index").exists()


def test_the_collections_file(tmp_path: Path) -> None:
    TensorLogWriter(tmp_path, "worker_1", 2).write_collections([Collection("mine", reductions=Reductions.parse("min"))])
    document = json.loads((tmp_path / "collections/000000000/worker_1_collections.json").read_bytes())
    assert document["_meta"] == {"num_workers": 2}
    assert document["collections"]["mine"]["reduction_config"]["reductions"] == "min"


def test_a_tensor_that_cannot_be_written_costs_only_itself(tmp_path: Path) -> None:
    writer = TensorLogWriter(tmp_path)
    record = writer.record(0)
    record.add("when", np.array(["2026-01-01"], "datetime64[D]"))
    record.add("x", 1.0)
    with pytest.raises(InvalidRequest, match="when: a tensor of datetime64"):
        writer.write(record)
    assert open_log(tmp_path).names() == ["x"]


def test_negative_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="counted from 0"):
        TensorLogWriter(tmp_path).record(-1)


def test_a_full_disk_leaves_the_steps_before_and_no_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = write_losses(tmp_path, range(3))

    def full(descriptor: int, buffers: list[memoryview]) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(StorageFailed, match="the disk is full"), writer.step(3) as record:
        record.add("loss_output_0", 3.0)
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.tmp"))
    assert open_log(tmp_path).steps() == [0, 1, 2]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed, match="cannot be written"):
        TensorLogWriter(tmp_path / "file" / "log")


def test_an_ended_log_is_continued_only_on_purpose(tmp_path: Path) -> None:
    write_losses(tmp_path, range(2)).end()
    with pytest.raises(Conflict, match="has ended"):
        TensorLogWriter(tmp_path)
    writer = TensorLogWriter(tmp_path, resume=True)
    assert not open_log(tmp_path).ended
    with writer.step(2, Mode.TRAIN, 2) as record:
        record.add("loss_output_0", np.float32(2))
        record.add("new", 1.0)
    writer.end()
    log = open_log(tmp_path)
    assert log.ended
    assert log.series("loss_output_0")[1].tolist() == [0, 1, 2]
    assert log.names() == ["loss_output_0", "new"]


def test_a_step_written_twice_is_the_second(tmp_path: Path) -> None:
    writer = write_losses(tmp_path, range(4))
    log = open_log(tmp_path)
    with writer.step(2, Mode.TRAIN, 2) as record:
        record.add("loss_output_0", np.float32(22))
    log.refresh()
    for one in (log, open_log(tmp_path)):
        assert one.series("loss_output_0")[1].tolist() == [0, 1, 22, 3]
        assert one.value("loss_output_0", 2) == 22


def test_two_processes_do_not_write_as_one_worker(tmp_path: Path) -> None:
    writer = write_losses(tmp_path, range(1))
    code = f"from tintype.debugger.log_writer import TensorLogWriter as W; W({str(tmp_path)!r})"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Conflict: another process writes" in second.stderr
    writer.close()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_killed_in_mid_write(tmp_path: Path) -> None:
    code = (
        "import os, numpy as np\n"
        "from tintype.debugger.log_writer import TensorLogWriter\n"
        f"writer = TensorLogWriter({str(tmp_path)!r})\n"
        "for step in range(3):\n"
        "    with writer.step(step) as record: record.add('x', np.full(9, step))\n"
        "os.rename = lambda *names: os.kill(os.getpid(), 9)\n"
        "with writer.step(3) as record: record.add('x', np.full(9, 3))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    log = open_log(tmp_path)
    assert log.steps() == [0, 1, 2]
    assert log.problems == {}
    with TensorLogWriter(tmp_path).step(3) as record:
        record.add("x", np.full(9, 33))
    log.refresh()
    assert log.value("x", 3)[0] == 33


def test_a_url(tmp_path: Path) -> None:
    url = "memory://bucket/job/debug-output"
    fsspec.filesystem("memory").store.clear()
    writer = write_losses(url, range(5))
    log = open_log(url)
    assert log.series("loss_output_0", Mode.TRAIN)[1].tolist() == [0, 1, 2, 3, 4]
    with writer.step(5, Mode.TRAIN, 5) as record:
        record.add("x", np.arange(3 << 20, dtype=np.uint8))
    writer.end()
    assert log.refresh()
    assert log.ended
    assert log.value("x", 5).sum() == np.arange(3 << 20, dtype=np.uint8).sum()
    assert log.problems == {}


def test_a_number_may_have_a_time_of_its_own(tmp_path: Path) -> None:
    with TensorLogWriter(tmp_path, clock=lambda: 5.0).step(0) as record:
        record.add("scalar/rate", DatedNumber(0.5, 77.0))
        record.add("loss", 1.0)
    heads = [head for head, _, _ in scan(log_files(tmp_path), event_path(0, "worker_0"))]
    assert [(head.tag, head.wall_time) for head in heads] == [("scalar/rate", 77.0), ("loss", 5.0)]
    assert open_log(tmp_path).value("scalar/rate", 0) == 0.5


def test_a_journal_that_does_not_fit_is_given_up_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = write_losses(tmp_path, range(3))
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:20]))
    for step in (3, 4):
        with writer.step(step, Mode.TRAIN, step) as record:
            record.add("loss_output_0", np.float32(step))
    monkeypatch.undo()
    writer.end()
    assert (tmp_path / "tintype/worker_0.rows").stat().st_size == 3 * ROW.itemsize
    log = open_log(tmp_path)
    assert log.series("loss_output_0")[1].tolist() == [0, 1, 2, 3, 4]
    assert log.problems == {}
