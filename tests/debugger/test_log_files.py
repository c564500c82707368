"""Files of a log, here and behind a URL: whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import fsspec
import numpy as np
import pytest

from tintype.debugger.local_files import LocalFiles
from tintype.debugger.log_files import LogFiles
from tintype.debugger.log_location import log_files
from tintype.errors import NotFound, StorageFailed


@pytest.fixture(params=["local", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> LogFiles:
    """An empty place of either kind."""
    fsspec.filesystem("memory").store.clear()
    return log_files(tmp_path / "log" if request.param == "local" else "memory://bucket/log/")


def test_what_is_written_is_read(files: LogFiles) -> None:
    array = np.arange(100, dtype=np.uint8)
    files.write("a/b/file", [b"head", array, b"tail"])
    whole = b"head" + array.tobytes() + b"tail"
    assert files.read("a/b/file") == whole
    assert files.read("a/b/file", 3, 5) == whole[3:8]
    assert files.read("a/b/file", 100) == whole[100:]
    assert files.size("a/b/file") == len(whole)
    assert files.names("a/b") == ["file"]
    memory = np.zeros(10, np.uint8)
    assert files.fill("a/b/file", 4, memory) == 10
    assert memory.tolist() == list(range(10))
    assert files.fill("a/b/file", len(whole) - 3, memory) == 3


def test_what_is_not_there(files: LogFiles) -> None:
    assert files.names("nothing") == []
    assert not files.exists("nothing")
    files.remove("nothing")
    for read in (files.read, files.size, lambda path: files.fill(path, 0, np.zeros(1, np.uint8))):
        with pytest.raises(NotFound):
            read("nothing")
    files.write("one", [b"1"])
    assert list(files.read_many(["one", "nothing"])) == [b"1", None]
    files.remove("one")
    assert not files.exists("one")


def test_writing_again_replaces(files: LogFiles) -> None:
    files.write("file", [b"a long first content"])
    files.write("file", [b"second"])
    files.write("empty", [b""])
    assert files.read("file") == b"second"
    assert files.read("empty") == b""


def test_a_disk_that_takes_a_few_bytes_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writev = os.writev
    monkeypatch.setattr(os, "writev", lambda fd, buffers: writev(fd, [memoryview(b"".join(buffers))[:7]]))
    pieces = [bytes([number % 256]) * (number % 5) for number in range(1500)]     # empty ones among them
    files = LocalFiles(tmp_path)
    files.write("file", pieces)
    assert files.read("file") == b"".join(pieces)


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = LocalFiles(tmp_path)
    files.write("file", [b"first"])

    def full(descriptor: int, buffers: list[memoryview]) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(StorageFailed, match="full"):
        files.write("file", [b"second"])
    assert files.read("file") == b"first"
    assert files.names("") == ["file"]
