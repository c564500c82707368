"""A body on its way in: whole with its sums, or nothing left of it."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from tintype.errors import StorageFailed
from tintype.web.faults import AwsFault
from tintype.web.s3.spooled import Slot, Spool


def test_its_sums(tmp_path: Path) -> None:
    with Spool(tmp_path, sha256=True, algorithms=["SHA1", "CRC32"]) as spool:
        for data in (b"one", b"two" * 1000):
            spool.write(data)
            spool.add_to_md5(data)
        found = spool.finish({})
        whole = b"one" + b"two" * 1000
        assert (found.size, found.md5) == (len(whole), hashlib.md5(whole).digest())
        assert found.sha256 == hashlib.sha256(whole).hexdigest()
        assert found.path.read_bytes() == whole
        assert set(found.checksums) == {"SHA1", "CRC32"}
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_to_be_full_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with (
        pytest.raises(StorageFailed, match="disk is full"),
        Spool(tmp_path, sha256=False, algorithms=()) as spool,
    ):
        spool.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_slot_is_not_left(tmp_path: Path) -> None:
    file = tmp_path / "whole"
    file.write_bytes(b"aaaabbbbcccc")
    with Spool(tmp_path, sha256=False, algorithms=(), slot=Slot(file, 4, 4)) as spool:
        spool.write(b"BB")
        with pytest.raises(AwsFault, match="more data"):
            spool.write(b"BBB")
    assert file.read_bytes() == b"aaaaBBbbcccc"
    with pytest.raises(AwsFault, match="does not exist any more"):
        Spool(tmp_path, sha256=False, algorithms=(), slot=Slot(tmp_path / "gone" / "whole", 0, 1))
