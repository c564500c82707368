from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import fsspec
import pytest

from tintype import storage
from tintype.errors import InvalidRequest, NotFound, StorageFailed
from tintype.storage import (
    atomic_file,
    directory_bytes,
    exclusive_lock,
    fetch,
    file_sha256,
    is_stream,
    is_url,
    local_path,
    lock_if_free,
    read_json,
    refuse_unwritable,
    scratch_directory,
    storage_errors,
    write_bytes,
    write_json,
    write_named,
)


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_appears_whole(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "new" / "folder" / "file"
    with atomic_file(path, durable=durable) as stream:
        stream.write(b"half")
        assert not path.exists()
        stream.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_a_failed_write_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def write_half() -> None:
        with atomic_file(path) as stream:
            stream.write(b"new")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_killed_writer_changes_nothing(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"old")
    code = (
        "import os, sys; from pathlib import Path; from tintype.storage import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as stream: stream.write(b'new'); stream.flush(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], check=False).returncode == 9
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (errno.ENOSPC, 1, "the disk is full while writing .*free some space"),
        (errno.EDQUOT, 1, "the disk is full"),
        (errno.EROFS, 2, "cannot be written .Read-only.*choose another --home"),
        (errno.EACCES, 2, "choose another --home"),
        (errno.EIO, 2, "choose another --home"),
    ],
)
def test_what_the_disk_refuses_says_what_to_do(tmp_path: Path, number: int, code: int, message: str) -> None:
    with pytest.raises(StorageFailed, match=message) as refusal, atomic_file(tmp_path / "file"):
        raise OSError(number, os.strerror(number))
    assert refusal.value.exit_code == code
    assert os.listdir(tmp_path) == []


def test_other_errors_of_a_block_stay_what_they_are() -> None:
    with pytest.raises(FileNotFoundError), storage_errors("x"):
        raise FileNotFoundError(errno.ENOENT, "gone")


@pytest.mark.parametrize("name", ["/proc/x.csv", "/proc/nowhere/x.csv"])
def test_a_place_that_takes_no_files(name: str) -> None:
    with pytest.raises(StorageFailed, match=r"x.csv cannot be written \(.*\); choose another --home"):
        write_bytes(Path(name), b"x")
    with pytest.raises(StorageFailed, match="choose another --home"), exclusive_lock(Path(name)):
        pytest.fail("there is no lock to hold")
    with pytest.raises(StorageFailed, match="choose another --home"), scratch_directory(Path(name), "s"):
        pytest.fail("there is no directory")


def test_what_a_block_does_not_find_is_not_the_files_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "file") as stream:
        stream.write((tmp_path / "nowhere").read_bytes())
    assert os.listdir(tmp_path) == []


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 127)
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"
    with pytest.raises(StorageFailed, match="File name too long"):
        write_bytes(tmp_path / ("x" * 256), b"x")
    assert len(os.listdir(tmp_path)) == 1


class TestNamedFiles:
    """Where a person wants one."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").write_text("old")
        (tmp_path / "round").symlink_to("round")
        (tmp_path / "into-proc").symlink_to("/proc/nowhere/x")
        return tmp_path

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("folder", "Is a directory"),
            ("file/x.csv", "Not a directory|File exists"),
            ("into-proc", "No such file or directory"),
            ("/proc/x.csv", "No such file or directory"),
            ("x" * 256, "File name too long"),
        ],
    )
    def test_what_cannot_be_written_is_the_persons_to_mend(self, place: Path, name: str, reason: str) -> None:
        before = sorted(os.listdir(place))
        for write in (refuse_unwritable, lambda path: write_named(path, b"x")):
            with pytest.raises(InvalidRequest, match=rf"cannot be written \({reason}\); choose another file"):
                write(place / name)
        assert sorted(os.listdir(place)) == before

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
    def test_what_is_not_theirs(self, place: Path) -> None:
        (place / "file").chmod(0o400)
        (place / "folder").chmod(0o500)
        for path in (place / "file", place / "folder" / "x", place / "folder" / "new" / "x"):
            with pytest.raises(InvalidRequest, match=r"cannot be written \(Permission denied\)"):
                refuse_unwritable(path)

    def test_links_are_followed(self, place: Path) -> None:
        (place / "link").symlink_to("file")
        (place / "broken").symlink_to("new/deep")
        for name in ("link", "broken"):
            refuse_unwritable(place / name)
            write_named(place / name, b"new")
            assert (place / name).is_symlink()
        assert (place / "file").read_bytes() == (place / "new" / "deep").read_bytes() == b"new"

    def test_looking_leaves_nothing(self, place: Path) -> None:
        before = sorted(os.listdir(place))
        refuse_unwritable(place / "a" / "b" / "c.csv")
        refuse_unwritable(place / "d.csv")
        assert sorted(os.listdir(place)) == before

    def test_a_device_stays_one(self) -> None:
        refuse_unwritable(Path("/dev/full"))
        with pytest.raises(InvalidRequest, match="the disk is full while writing /dev/full"):
            write_named(Path("/dev/full"), b"x" * 100_000)
        write_named(Path("/dev/null"), b"x")
        assert is_stream(Path("/dev/full"))
        assert is_stream(Path("/dev/null"))
        assert not is_stream(Path("/dev"))
        assert not is_stream(Path("/dev/nowhere"))

    def test_a_pipe_is_written_into(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
            write_named(tmp_path / "pipe", b"through")
            assert reader.communicate()[0] == b"through"


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="choose another --home"):
        write_bytes(tmp_path / "file" / "sub" / "x", b"")
    with pytest.raises(StorageFailed), exclusive_lock(tmp_path / "file" / "lock"):
        pytest.fail("there is no lock to hold")
    with pytest.raises(StorageFailed), scratch_directory(tmp_path / "file", "s"):
        pytest.fail("there is no directory")


def test_a_full_disk_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(StorageFailed, match="disk is full"):
        write_bytes(tmp_path / "file", b"x")
    assert os.listdir(tmp_path) == []


def test_json_goes_round(tmp_path: Path) -> None:
    document = {"ü": [1, None, 2.5], "b": {"c": "画像"}}
    write_json(tmp_path / "a.json", document)
    assert read_json(tmp_path / "a.json") == document
    assert "画像" in (tmp_path / "a.json").read_text()


def test_json_that_is_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no file .*a\.json"):
        read_json(tmp_path / "a.json")
    for content in (b"", b"{", b"\xff\xfe\xff", b"[" * 100_000):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(StorageFailed, match=r"a\.json is damaged"):
            read_json(tmp_path / "a.json")


def test_the_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a"
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        entered.wait()
        with exclusive_lock(path):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with exclusive_lock(path):
        entered.set()
        with lock_if_free(path) as held:
            assert not held
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    with lock_if_free(path) as held:
        assert held


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tintype.storage import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with lock_if_free(tmp_path / "lock") as held:
            assert not held
        process.kill()
    with lock_if_free(tmp_path / "lock") as held:
        assert held


def test_errors_of_a_block_are_not_the_locks(tmp_path: Path) -> None:
    for lock in (exclusive_lock, lock_if_free):
        with pytest.raises(PermissionError, match="mine"), lock(tmp_path / "lock"):
            raise PermissionError(errno.EACCES, "mine")
        with pytest.raises(BlockingIOError, match="mine"), lock(tmp_path / "lock"):
            raise BlockingIOError(errno.EAGAIN, "mine")


def test_a_scratch_directory_goes_away_unless_renamed(tmp_path: Path) -> None:
    with scratch_directory(tmp_path, "s") as scratch:
        (scratch / "a").mkdir()
    assert os.listdir(tmp_path) == []
    with scratch_directory(tmp_path / "new", "s") as scratch:
        scratch.rename(tmp_path / "kept")
    assert sorted(os.listdir(tmp_path)) == ["kept", "new"]


def test_the_size_of_a_directory_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(bytes(1000))
    (tmp_path / "a" / "d").write_bytes(bytes(24))
    assert directory_bytes(tmp_path / "a") == 1024
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    assert 1024 <= directory_bytes(tmp_path / "a") < 2048
    assert directory_bytes(tmp_path / "none") == 0


@pytest.mark.parametrize(
    ("location", "url", "path"),
    [
        ("s3://bucket/key", True, None),
        ("https://host/x.zip", True, None),
        ("file:///data/x", True, "/data/x"),
        ("/data/x", False, "/data/x"),
        ("c://x", False, "c:/x"),
        ("a b:c", False, "a b:c"),
    ],
)
def test_locations_here_and_elsewhere(location: str, url: bool, path: str | None) -> None:
    assert is_url(location) is url
    assert local_path(location) == (None if path is None else Path(path))


def test_a_tree_and_a_file_are_fetched(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/fetched/data/a/1.txt": b"one", "/fetched/data/2.txt": b"two"})
    tree = fetch("memory://fetched/data", tmp_path / "here")
    assert tree == tmp_path / "here" / "data"
    assert (tree / "a" / "1.txt").read_bytes() == b"one"
    assert (tree / "2.txt").read_bytes() == b"two"
    assert fetch("memory://fetched/data/2.txt", tmp_path).read_bytes() == b"two"
    with pytest.raises(NotFound, match="there is nothing at memory://nowhere"):
        fetch("memory://nowhere", tmp_path)
    memory.rm("/fetched", recursive=True)
