"""Filling an array file in threads: every row once, few in flight, failures where they belong."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tintype.datasets import decoding
from tintype.datasets.array_file import allocate
from tintype.datasets.decoding import PIECE, Decoding, Rows
from tintype.datasets.views import View
from tintype.errors import StorageFailed


def task(folder: Path, count: int) -> Decoding:
    Image.new("RGB", (6, 3), "red").save(folder / "red.png")
    pixels = allocate(folder / "pixels", (4, 4, 3), count)
    return Decoding(lambda row: folder / "red.png", View.source(4), 1000, pixels, Rows(count))


def test_missing_rows_are_filled_and_the_others_left(tmp_path: Path) -> None:
    decode, calls = task(tmp_path, 60), []
    missing = np.arange(0, 60, 2)
    decode.run(missing, 3, lambda done, total: calls.append((done, total)))
    assert np.flatnonzero(decode.rows.ok).tolist() == missing.tolist()
    assert (decode.pixels.rows[::2] == (255, 0, 0)).all()
    assert not decode.pixels.rows[1::2].any()
    assert decode.rows.aspect[:2].tolist() == [2.0, 1.0]
    assert calls == [(30 + PIECE, 60), (60, 60)]
    assert decode.rows.reasons == {}


def test_no_row_is_missing(tmp_path: Path) -> None:
    decode = task(tmp_path, 3)
    decode.run(np.array([], np.int64), 2, None)
    assert not decode.rows.ok.any()


def test_only_a_few_pieces_wait_however_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = 40
    decode, begun, done_seen = task(tmp_path, PIECE * pieces), [], []
    gate, real = threading.Semaphore(0), decoding.read_image_file

    def read(path: Path, max_pixels: int) -> bytes:
        begun.append(path)
        gate.acquire()
        return real(path, max_pixels)

    monkeypatch.setattr(decoding, "read_image_file", read)
    waiting = threading.Thread(target=decode.run, args=(np.arange(PIECE * pieces), 2, lambda *at: done_seen.append(at)))
    waiting.start()
    deadline = time.perf_counter() + 60
    while len(begun) < 2 and time.perf_counter() < deadline:
        time.sleep(0.001)
    assert len(begun) == 2                      # one a worker, and the rest of two pieces each behind it
    assert sum(thread.name.startswith("decode") for thread in threading.enumerate()) == 2
    gate.release(PIECE * pieces)
    waiting.join(120)
    assert decode.rows.ok.all()
    assert len(done_seen) == pieces


def test_a_bad_file_is_told_apart_from_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = task(tmp_path, 2)
    (tmp_path / "red.png").write_bytes(b"no longer a picture")
    decode.run(np.arange(2), 2, None)
    assert {reason.split(":")[0] for reason in decode.rows.reasons.values()} == {"not an image"}

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    Image.new("RGB", (6, 3), "red").save(tmp_path / "red.png")
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageFailed, match="disk is full"):
        decode.run(np.arange(2), 2, None)
