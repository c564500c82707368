"""Rows written by threads, read through a map, and nothing that grows."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tintype.datasets import array_file
from tintype.datasets.array_file import ArrayFile, allocate
from tintype.errors import InvalidRequest, StorageFailed


def filled(path: Path, count: int = 50) -> tuple[ArrayFile, np.ndarray]:
    values = np.random.default_rng(0).integers(0, 256, (count, 3, 4), dtype=np.uint8)
    file = allocate(path, (3, 4), count)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda row: file.write(row, values[row]), range(count)))
    file.sync()
    return file, values


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file, values = filled(tmp_path / "rows")
    file.close()
    again = ArrayFile(tmp_path / "rows", (3, 4), 50)
    assert again.is_whole
    assert (again.rows == values).all()
    assert (again.read(7) == values[7]).all()
    chosen = np.array([3, 3, 49, 0])
    assert (again.gather(chosen) == values[chosen]).all()
    out = np.empty((4, 3, 4), np.uint8)
    assert again.gather(chosen, out) is out
    assert (out == values[chosen]).all()
    again.close()
    again.close()


def test_pages_given_back_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_file, "RESIDENT_BYTES", 1)
    file, values = filled(tmp_path / "rows")
    rows = file.rows
    for _ in range(3):
        assert (file.gather(np.arange(50)) == values).all()
    assert (rows == values).all()


def test_a_file_of_another_size_is_not_whole(tmp_path: Path) -> None:
    filled(tmp_path / "rows")[0].close()
    assert not ArrayFile(tmp_path / "rows", (3, 4), 49).is_whole


def test_no_rows(tmp_path: Path) -> None:
    file = allocate(tmp_path / "rows", (3, 4), 0)
    assert (file.is_whole, file.rows.shape, file.gather(np.array([], int)).shape) == (True, (0, 3, 4), (0, 3, 4))


def test_a_row_of_another_shape_is_refused(tmp_path: Path) -> None:
    file = allocate(tmp_path / "rows", (3, 4), 2)
    with pytest.raises(InvalidRequest, match="a row is uint8"):
        file.write(0, np.zeros((4, 3), np.uint8))
    with pytest.raises(InvalidRequest, match="a row is uint8"):
        file.write(0, np.zeros((3, 4), np.int8))      # pyright: ignore[reportArgumentType]


def test_a_row_that_is_not_there(tmp_path: Path) -> None:
    file, _ = filled(tmp_path / "rows")
    with pytest.raises(IndexError):
        file.gather(np.array([50]))
    with pytest.raises(IndexError):
        file.gather(np.array([50]), np.empty((1, 3, 4), np.uint8))


def test_a_file_system_that_cannot_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert filled(tmp_path / "rows")[0].is_whole


def test_a_full_disk_is_known_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageFailed, match="disk is full"):
        allocate(tmp_path / "rows", (3, 4), 5)


def test_descriptors_go_with_the_object(tmp_path: Path) -> None:
    filled(tmp_path / "rows")[0].close()
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        ArrayFile(tmp_path / "rows", (3, 4), 50)
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before
