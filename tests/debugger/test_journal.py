"""The journal beside the index: rows that can be trusted or are left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tintype.debugger.dtypes import CODES
from tintype.debugger.journal import (
    NOT_INLINE,
    ROW,
    SHAPE_ONLY,
    JournalWriter,
    names_path,
    read_names,
    row_checks,
    rows_path,
)
from tintype.debugger.modes import Mode
from tintype.debugger.step_record import StepRecord


def written(root: Path, step: int = 5) -> np.ndarray:
    record = StepRecord.at(step, Mode.EVAL, 2, 0.0)
    record.add("half", np.float16(0.5))
    record.add("array", np.zeros(3))
    record.add("wide", np.complex128(1))
    record.add_shape("shape", (2,))
    writer = JournalWriter(root, "worker_0")
    writer.append(record, [("half", 0, 90), ("array", 90, 120), ("wide", 210, 100)])
    writer.close()
    return np.fromfile(root / rows_path("worker_0"), ROW)


def test_a_row_for_each_tensor_and_shape(tmp_path: Path) -> None:
    rows = written(tmp_path)
    assert read_names((tmp_path / names_path("worker_0")).read_bytes()) == ["half", "array", "wide", "shape"]
    assert rows["name"].tolist() == [0, 1, 2, 3]
    assert rows["dtype"].tolist() == [CODES["float16"], NOT_INLINE, NOT_INLINE, SHAPE_ONLY]
    assert rows["content"][0] == np.float16(0.5).view(np.uint16)
    assert rows["last"].tolist() == [0, 0, 0, 1]
    assert (rows["step"][0], rows["mode"][0], rows["mode_step"][0], rows["start"][1]) == (5, 2, 2, 90)
    np.testing.assert_array_equal(row_checks(rows), rows["check"])


@pytest.mark.parametrize("column", [name for name in ROW.names or () if name != "check"])
def test_a_change_anywhere_is_noticed(tmp_path: Path, column: str) -> None:
    rows = written(tmp_path)
    rows[column][1] ^= 1
    assert (row_checks(rows) == rows["check"]).tolist() == [True, False, True, True]


def test_zeros_are_no_rows() -> None:
    """What a power cut may leave of a file."""
    empty = np.zeros(3, ROW)
    assert not (row_checks(empty) == empty["check"]).any()


def test_it_is_continued_with_the_same_names(tmp_path: Path) -> None:
    written(tmp_path)
    rows = written(tmp_path, step=6)
    assert rows["name"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert len((tmp_path / names_path("worker_0")).read_bytes().splitlines()) == 4
