from __future__ import annotations

import errno
import os
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import fsspec
import pytest

from tintype.errors import StorageFailed
from tintype.extraction import extract
from tintype.jobs.packing import pack, publish


def model(root: Path) -> Path:
    (root / "code").mkdir(parents=True)
    (root / "model.pth").write_bytes(b"weights" * 1000)
    (root / "code" / "inference.py").write_text("def model_fn(): ...\n")
    return root


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as bundle:
        return bundle.getnames()


def test_a_model_goes_in_and_comes_out(tmp_path: Path) -> None:
    packed = pack([model(tmp_path / "model")], tmp_path / "model.tar.gz")
    assert packed is not None
    assert (packed.files, packed.notes) == (2, ())
    assert names(packed.archive) == ["code", "code/inference.py", "model.pth"]
    out = extract(packed.archive, tmp_path / "out")
    assert (out / "model.pth").read_bytes() == b"weights" * 1000


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = model(tmp_path / "a"), model(tmp_path / "b")
    os.utime(second / "model.pth", (1, 1))
    os.chmod(second / "model.pth", 0o600)
    pack([first], tmp_path / "a.tar.gz")
    pack([second], tmp_path / "somewhere" / "else.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "somewhere" / "else.tar.gz").read_bytes()


@pytest.mark.parametrize("made", [False, True])
def test_nothing_is_no_archive_and_leaves_the_one_that_is_there(tmp_path: Path, made: bool) -> None:
    if made:
        (tmp_path / "model" / "folder").mkdir(parents=True)
    (tmp_path / "model.tar.gz").write_text("the trainer's own")
    assert pack([tmp_path / "model"], tmp_path / "model.tar.gz") is None
    assert (tmp_path / "model.tar.gz").read_text() == "the trainer's own"


@pytest.mark.parametrize(("content", "smaller"), [(b"text " * 200_000, True), (os.urandom(1_000_000), False)])
def test_only_what_compresses_is_compressed(tmp_path: Path, content: bytes, smaller: bool) -> None:
    folder = model(tmp_path / "model")
    (folder / "large.bin").write_bytes(content)
    pack([folder], tmp_path / "model.tar.gz")
    assert ((tmp_path / "model.tar.gz").stat().st_size < len(content) / 2) is smaller
    assert (extract(tmp_path / "model.tar.gz", tmp_path / "out") / "large.bin").read_bytes() == content


def test_links_are_followed_and_the_odd_ones_named(tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    (tmp_path / "outside.bin").write_text("content")
    (folder / "linked.bin").symlink_to(tmp_path / "outside.bin")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    packed = pack([folder], tmp_path / "model.tar.gz")
    assert packed is not None
    assert names(packed.archive) == ["code", "code/inference.py", "linked.bin", "model.pth"]
    assert [note.split(" ")[0] for note in packed.notes] == ["dangling", "loop", "pipe"]
    assert (extract(packed.archive, tmp_path / "out") / "linked.bin").read_text() == "content"


def test_two_hosts_are_merged_and_the_first_counts(tmp_path: Path) -> None:
    first, second = model(tmp_path / "1"), model(tmp_path / "2")
    (second / "model.pth").write_text("other")
    (second / "only-here.pth").write_text("x")
    packed = pack([first, second], tmp_path / "model.tar.gz")
    assert packed is not None
    assert names(packed.archive) == ["code", "code/inference.py", "model.pth", "only-here.pth"]
    assert (extract(packed.archive, tmp_path / "out") / "model.pth").read_bytes() == b"weights" * 1000
    assert len(packed.notes) == 2


def test_memory_stays_flat(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with (tmp_path / "model" / "big.pth").open("wb") as stream:
        stream.truncate(64 << 20)
    tracemalloc.start()
    try:
        pack([tmp_path / "model"], tmp_path / "model.tar.gz")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model(tmp_path / "model")
    (tmp_path / "model.tar.gz").write_text("before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tarfile.TarFile.addfile", lambda *_: full(0))
    with pytest.raises(StorageFailed, match="disk is full"):
        pack([folder], tmp_path / "model.tar.gz")
    assert (tmp_path / "model.tar.gz").read_text() == "before"
    assert sorted(os.listdir(tmp_path)) == ["model", "model.tar.gz"]


SMALL_DISK = """
import os, sys
from pathlib import Path
from tintype.errors import StorageFailed
from tintype.jobs.packing import pack
model, disk = Path(sys.argv[1]), Path(sys.argv[2])
try:
    pack([model], disk / "model.tar.gz")
except StorageFailed as error:
    print(error)
print(os.listdir(disk), (disk / "model.tar.gz").read_text())
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    folder, disk = model(tmp_path / "model"), tmp_path / "disk"
    disk.mkdir()
    (folder / "noise.bin").write_bytes(os.urandom(1 << 20))
    (tmp_path / "child.py").write_text(SMALL_DISK)
    mount = f"mount -t tmpfs -o size=256k small {disk} && printf before > {disk}/model.tar.gz"
    run = f"{mount} && exec {sys.executable} {tmp_path}/child.py {folder} {disk}"
    who = ["--map-root-user"] if os.getuid() else []
    ran = subprocess.run(["unshare", "--mount", *who, "sh", "-c", run], capture_output=True, text=True, check=False)
    if "Traceback" not in ran.stderr and ran.returncode != 0:
        pytest.skip(f"no mounts of our own here: {ran.stderr}")
    assert f"the disk is full while writing {disk}/model.tar.gz" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "['model.tar.gz'] before"


def test_a_file_that_shrinks_while_it_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model(tmp_path / "model")
    real = os.fstat

    def longer(descriptor: int) -> os.stat_result:
        status = list(real(descriptor))
        status[6] += 10
        return os.stat_result(status)

    monkeypatch.setattr("tintype.jobs.packing.os.fstat", longer)
    with pytest.raises(StorageFailed, match="became shorter"):
        pack([folder], tmp_path / "model.tar.gz")
    assert not (tmp_path / "model.tar.gz").exists()


def test_publishing_to_a_url_and_to_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_text("m")
    files = [(tmp_path / "model.tar.gz", "job-1/output/model.tar.gz")]
    publish(files, "memory://published/")
    assert fsspec.filesystem("memory").cat("/published/job-1/output/model.tar.gz") == b"m"
    publish(files, str(tmp_path / "out"))
    assert (tmp_path / "out" / "job-1" / "output" / "model.tar.gz").read_text() == "m"
    with pytest.raises(StorageFailed, match="nosuch"):
        publish(files, "nosuch://bucket")
