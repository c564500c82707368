"""Entries appear whole, stay while they are held, and go when they must."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from tintype.datasets.cache_folder import ENTRY, CacheFolder
from tintype.errors import NotFound, TooLarge
from tintype.storage import write_json


def add(folder: CacheFolder, key: str, size: int, age: float = 0) -> None:
    with folder.lock(key), folder.building(key) as scratch:
        (scratch / "data").write_bytes(b"x" * size)
        write_json(scratch / ENTRY, {"name": key})
    os.utime(folder.directory / key / ENTRY, (1_000_000 - age, 1_000_000 - age))


@pytest.fixture
def folder(tmp_path: Path) -> CacheFolder:
    return CacheFolder(tmp_path / "cache")


def keys(folder: CacheFolder) -> list[str]:
    return [entry.key for entry in folder.entries()]


def test_entries_are_listed_by_last_use(folder: CacheFolder) -> None:
    assert keys(folder) == []
    for key, age in (("old", 3), ("new", 1), ("middle", 2)):
        add(folder, key, 100, age)
    assert keys(folder) == ["new", "middle", "old"]
    held = folder.hold("old")
    assert held is not None
    assert held.description == {"name": "old"}
    assert keys(folder) == ["old", "new", "middle"]
    assert [entry.in_use for entry in folder.entries()] == [True, False, False]
    held.close()
    assert not any(entry.in_use for entry in folder.entries())


def test_the_oldest_go_first_and_held_ones_stay(folder: CacheFolder) -> None:
    for key, age in (("a", 4), ("b", 3), ("c", 2), ("d", 1)):
        add(folder, key, 1_000, age)
    held = folder.hold("a")
    os.utime(folder.directory / "a" / ENTRY, (0, 0))
    total = sum(entry.bytes for entry in folder.entries())
    folder.make_room(1_500, total)
    assert keys(folder) == ["d", "a"]
    folder.make_room(total, total)                      # more than can be freed: as much as can be
    assert keys(folder) == ["a"]
    del held
    folder.make_room(total, total)
    assert keys(folder) == []


def test_nothing_goes_when_there_is_room(folder: CacheFolder) -> None:
    add(folder, "a", 1_000)
    folder.make_room(1_000, 10_000)
    assert keys(folder) == ["a"]
    with pytest.raises(TooLarge, match="10,001 bytes and the limit is 10,000"):
        folder.make_room(10_001, 10_000)
    assert keys(folder) == ["a"]


def test_a_failed_build_leaves_nothing(folder: CacheFolder) -> None:
    def fail() -> None:
        with folder.lock("a"), folder.building("a") as scratch:
            (scratch / "data").write_bytes(b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert keys(folder) == []
    assert list((folder.directory / "building").iterdir()) == []
    assert folder.hold("a") is None


def test_rubbish_is_swept_up_unless_its_builder_lives(folder: CacheFolder) -> None:
    for key in ("dead", "alive"):
        (folder.directory / "building" / key).mkdir(parents=True)
    (folder.directory / "building" / "gone.removed").mkdir()
    with folder.lock("alive"):
        folder.remove()
        assert [path.name for path in (folder.directory / "building").iterdir()] == ["alive"]
    folder.remove()
    assert list((folder.directory / "building").iterdir()) == []


def test_removing_by_key(folder: CacheFolder) -> None:
    for key in ("a", "b"):
        add(folder, key, 10)
    assert [entry.key for entry in folder.remove(["b"])] == ["b"]
    assert keys(folder) == ["a"]
    with pytest.raises(NotFound, match="cache entry"):
        folder.remove(["b"])
    assert [entry.key for entry in folder.remove([])] == []
    assert keys(folder) == ["a"]


@pytest.mark.parametrize("content", [b"", b"not json", b"[1]", b"\xff\xfe"])
def test_an_entry_that_cannot_be_read_is_no_entry(folder: CacheFolder, content: bytes) -> None:
    add(folder, "a", 10)
    (folder.directory / "a" / ENTRY).write_bytes(content)
    assert folder.hold("a") is None
    assert keys(folder) == []
    add(folder, "a", 20)
    assert keys(folder) == ["a"]


def test_a_builder_that_resumes_finds_what_the_last_one_left(folder: CacheFolder) -> None:
    with contextlib.suppress(RuntimeError), folder.lock("a"), folder.building("a", resume=True) as scratch:
        (scratch / "half").write_bytes(b"x")
        raise RuntimeError
    assert keys(folder) == []
    with folder.lock("a"), folder.building("a", resume=True) as scratch:
        assert (scratch / "half").read_bytes() == b"x"
        write_json(scratch / ENTRY, {})
    assert keys(folder) == ["a"]
    with pytest.raises(RuntimeError), folder.lock("b"), folder.building("b", resume=True):
        raise RuntimeError
    folder.make_room(1, 10**9)                          # nobody builds it any more, so it is rubbish
    assert not list((folder.directory / "building").iterdir())
