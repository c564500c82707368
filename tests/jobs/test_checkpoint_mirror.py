from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.jobs.running_engine import SECONDS, home_in, until
from tintype.errors import StorageFailed
from tintype.jobs import processes
from tintype.jobs.checkpoint_mirror import CheckpointMirror, Version, due, look
from tintype.jobs.job import Checkpoint, Status
from tintype.jobs.packing import publish

QUICK = 0.02


def ignore(_: str) -> None: ...


@contextlib.contextmanager
def mirrored(
    tmp_path: Path, url: str, report: Callable[[str], None] = ignore
) -> Iterator[tuple[Path, CheckpointMirror]]:
    folder = tmp_path / "checkpoints"
    folder.mkdir(exist_ok=True)
    mirror = CheckpointMirror(folder, tmp_path, url, QUICK, report)
    mirror.start()
    yield folder, mirror
    mirror.finish()


def test_what_is_due() -> None:
    old, new = Version(1, 10, 5), Version(2, 10, 5)
    assert due({}, {"a": old}, {}) == []                            # it may still be written
    assert due({"a": old}, {"a": old}, {}) == ["a"]
    assert due({"a": old}, {"a": new}, {}) == []
    assert due({"a": new}, {"a": new}, {"a": old}) == ["a"]
    assert due({"a": new}, {"a": new}, {"a": new}) == []
    assert due({"b": old, "a": new}, {"b": old, "a": new}, {}) == ["b", "a"]    # what names the newest comes last


@pytest.mark.parametrize("store", ["memory", "folder"])
def test_checkpoints_arrive_while_the_script_goes_on(tmp_path: Path, store: str) -> None:
    url = f"memory://mirror/{tmp_path.name}" if store == "memory" else str(tmp_path / "elsewhere")
    filesystem, root = fsspec.core.url_to_fs(url)

    def has(name: str, content: bytes) -> bool:
        return filesystem.exists(f"{root}/{name}") and filesystem.cat_file(f"{root}/{name}") == content

    with mirrored(tmp_path, url) as (folder, _):
        (folder / "epochs").mkdir()
        (folder / "epochs" / "1.pt").write_bytes(b"one")
        until(lambda: has("epochs/1.pt", b"one"))
        (folder / "epochs" / "1.pt").write_bytes(b"won")            # in place
        until(lambda: has("epochs/1.pt", b"won"))
        (folder / "epochs" / "1.pt").unlink()                       # as scripts do that keep the last few
        (folder / "last.pt").write_bytes(b"two")
        until(lambda: has("last.pt", b"two"))
        assert has("epochs/1.pt", b"won")
        (folder / "end.pt").write_bytes(b"end")
    assert has("end.pt", b"end")
    assert sorted(os.listdir(tmp_path)) == ["checkpoints"] + (["elsewhere"] if store == "folder" else [])


def test_what_changes_while_it_is_copied_is_not_sent(tmp_path: Path) -> None:
    folder, there = tmp_path / "checkpoints", tmp_path / "elsewhere"
    folder.mkdir()
    mirror = CheckpointMirror(folder, tmp_path, str(there), QUICK, ignore)
    (folder / "large.pt").write_bytes(b"half")
    before = look(folder)
    (folder / "large.pt").write_bytes(b"half and half")
    mirror._send(before, before)
    assert not there.exists()
    (folder / "gone.pt").write_bytes(b"x")
    before = look(folder)
    (folder / "gone.pt").unlink()
    mirror._send(before, before)
    assert os.listdir(there) == ["large.pt"]
    assert (there / "large.pt").read_bytes() == b"half and half"
    (folder / "large.pt").write_bytes(b"in place")          # what was sent is no link to it
    assert (there / "large.pt").read_bytes() == b"half and half"


def test_a_store_that_fails_is_tried_again_and_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    works, url, said = type(memory).put_file, f"memory://failing/{tmp_path.name}", list[str]()
    tries = threading.Semaphore(0)

    def broken(*_: object, **__: object) -> None:
        tries.release()
        raise RuntimeError("no route to host")

    monkeypatch.setattr(type(memory), "put_file", broken)
    with mirrored(tmp_path, url, said.append) as (folder, mirror):
        (folder / "1.pt").write_bytes(b"one")
        assert all(tries.acquire(timeout=60) for _ in range(3))
        assert len(said) == 1
        assert "no route to host" in said[0]
        assert said[0].endswith("it is tried again")
        with pytest.raises(StorageFailed, match="no route to host"):
            mirror.finish()
        monkeypatch.setattr(type(memory), "put_file", works)
    assert memory.cat_file(f"{url}/1.pt") == b"one"


class OtherStore(LocalFileSystem):
    """As sftp and its like: what is being put can be seen growing, and a move does not replace."""

    protocol = "otherstore"

    def mv(self, path1: str, path2: str, **_: object) -> None:  # type: ignore[override]
        if os.path.exists(path2):
            raise FileExistsError(path2)
        os.rename(path1, path2)


def test_a_store_that_is_not_of_objects_gets_it_under_another_name_first(tmp_path: Path) -> None:
    fsspec.register_implementation("otherstore", OtherStore, clobber=True)
    (tmp_path / "a").write_bytes(b"1")
    publish([(tmp_path / "a", "x/a")], f"otherstore://{tmp_path}/there")
    (tmp_path / "a").write_bytes(b"2")
    publish([(tmp_path / "a", "x/a")], f"otherstore://{tmp_path}/there")
    assert os.listdir(tmp_path / "there" / "x") == ["a"]
    assert (tmp_path / "there" / "x" / "a").read_bytes() == b"2"


PROGRAM = """
import os, sys, time
folder = os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
path = os.path.join(folder, "epoch")
epoch = int(open(path).read()) if os.path.exists(path) else 0
print("begins after epoch", epoch, flush=True)
with open(path + ".part", "w") as stream:
    stream.write(str(epoch + 1))
os.replace(path + ".part", path)
print("saved", flush=True)
time.sleep(600 if epoch == 0 else 0)
"""


@pytest.mark.parametrize("everything", [False, True])
def test_a_job_lost_with_its_machine_goes_on_elsewhere(tmp_path: Path, everything: bool) -> None:
    url = tmp_path / "bucket" / "checkpoints"
    with home_in(tmp_path) as home, home.engine() as engine:
        spec = home.script(PROGRAM, checkpoint=Checkpoint(url=str(url)))
        engine.submit(spec, "lost")
        until(lambda: (url / "epoch").exists())
        if everything:
            for process in home.processes():
                process.kill()
            processes.kill_marked([processes.mark_of(home.settings.home, "lost", 1)])
        else:
            os.kill(home.supervisor_of("lost"), signal.SIGKILL)
        assert engine.wait("lost", timeout=SECONDS).status is Status.FAILED
        engine.submit(spec, "again")                            # in a directory of its own, as on another machine
        assert engine.wait("again", timeout=SECONDS).status is Status.COMPLETED
        assert "begins after epoch 1" in home.log("again")
        assert (url / "epoch").read_text() == "2"
        assert os.listdir(url) == ["epoch"]


def test_what_a_failing_script_saved_last_is_kept(tmp_path: Path) -> None:
    url = tmp_path / "bucket"
    with home_in(tmp_path) as home, home.engine() as engine:
        text = PROGRAM.replace("time.sleep(600 if epoch == 0 else 0)", "sys.exit(3)")
        engine.submit(home.script(text, checkpoint=Checkpoint(url=str(url))), "fails")
        assert engine.wait("fails", timeout=SECONDS).status is Status.FAILED
        assert (url / "epoch").read_text() == "1"
