from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest

from tintype.errors import BadData, InvalidRequest, NotFound, StorageFailed, Unsupported
from tintype.jobs import channels
from tintype.jobs.channels import check_channel, place_channel, remove_unfinished
from tintype.jobs.specification import Channel


def ignore(_: str) -> None: ...


def images(root: Path) -> Path:
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            (root / split / label).mkdir(parents=True)
            (root / split / label / "1.jpg").write_text(f"{split} {label}")
    return root


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_local_folder_is_folders_of_links(tmp_path: Path, prefix: str) -> None:
    source = images(tmp_path / "data")
    placed = place_channel(Channel("training", f"{prefix}{source}"), tmp_path / "job", ignore)
    assert placed == tmp_path / "job" / "training"
    walked = {os.path.relpath(os.path.join(root, name), placed) for root, _, names in os.walk(placed) for name in names}
    assert walked == {f"{split}/{label}/1.jpg" for split in ("train", "test") for label in ("cat", "dog")}
    assert len(list(placed.rglob("*.jpg"))) == 4
    assert (placed / "train" / "cat" / "1.jpg").read_text() == "train cat"


def test_what_a_script_writes_stays_in_the_job(tmp_path: Path) -> None:
    source = images(tmp_path / "data")
    placed = place_channel(Channel("training", str(source)), tmp_path / "job", ignore)
    (placed / "model.pth").write_text("weights")
    (placed / "train" / "cat" / "new.jpg").write_text("x")
    (placed / "train" / "dog" / "1.jpg").unlink()
    assert sorted(path.name for path in source.rglob("*.*")) == ["1.jpg"] * 4


def test_a_second_attempt_finds_what_the_first_wrote(tmp_path: Path) -> None:
    channel = Channel("training", str(images(tmp_path / "data")))
    (place_channel(channel, tmp_path / "job", ignore) / "cache").write_text("x")
    assert (place_channel(channel, tmp_path / "job", ignore) / "cache").exists()


def test_very_many_files_are_linked_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MOST_LINKS", 3)
    placed = place_channel(Channel("training", str(images(tmp_path / "data"))), tmp_path / "job", ignore)
    assert not (placed / "train").is_symlink()
    linked = [path for path in (placed / "train" / "cat", placed / "test" / "dog") if path.is_symlink()]
    assert linked
    assert (placed / "train" / "cat" / "1.jpg").read_text() == "train cat"


def test_a_link_to_itself_in_the_data(tmp_path: Path) -> None:
    source = images(tmp_path / "data")
    (source / "loop").symlink_to(source)
    (source / "train" / "more").symlink_to(source / "test")
    placed = place_channel(Channel("training", str(source)), tmp_path / "job", ignore)
    assert (placed / "loop").is_symlink()
    assert (placed / "train" / "more" / "cat" / "1.jpg").read_text() == "test cat"


def test_a_home_below_the_data_is_not_part_of_it(tmp_path: Path) -> None:
    source = images(tmp_path / "data")
    placed = place_channel(Channel("training", str(source)), source / ".tintype" / "jobs" / "one", ignore)
    assert sorted(os.listdir(placed)) == ["test", "train"]


def test_one_file(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("a,b")
    placed = place_channel(Channel("train", str(tmp_path / "labels.csv")), tmp_path / "job", ignore)
    assert (placed / "labels.csv").read_text() == "a,b"


def test_a_url_is_fetched_with_its_tree_and_progress(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for number in range(600):
        memory.pipe(f"/bucket/many/train/{number % 3}/{number}.jpg", b"12345")
    said: list[str] = []
    placed = place_channel(Channel("train", "memory://bucket/many", "FastFile"), tmp_path / "job", said.append)
    assert len(list(placed.glob("train/*/*.jpg"))) == 600
    assert (placed / "train" / "1" / "4.jpg").read_bytes() == b"12345"
    assert len(said) == 3
    single = place_channel(Channel("one", "memory://bucket/many/train/0/0.jpg"), tmp_path / "job", ignore)
    assert os.listdir(single) == ["0.jpg"]


@pytest.mark.parametrize(
    ("channel", "error", "said"),
    [
        (Channel("train", "{tmp}/nowhere"), NotFound, r"channel 'train': there is nothing at .*nowhere"),
        (Channel("train", "{tmp}/empty"), BadData, "there is no file in"),
        (Channel("train", "memory://bucket/nowhere"), NotFound, "there is nothing at memory"),
        (Channel("train", "nosuchscheme://x"), InvalidRequest, "cannot be read"),
        (Channel("train", "{tmp}", mode="Pipe"), Unsupported, "File, FastFile"),
        (Channel("../train", "{tmp}"), InvalidRequest, "channel's name"),
        (Channel("", "{tmp}"), InvalidRequest, "channel's name"),
    ],
)
def test_what_cannot_be_placed(tmp_path: Path, channel: Channel, error: type[Exception], said: str) -> None:
    (tmp_path / "empty" / "folder").mkdir(parents=True)
    channel = Channel(channel.name, channel.location.replace("{tmp}", str(tmp_path)), channel.mode)
    with pytest.raises(error, match=said):
        place_channel(channel, tmp_path / "job", ignore)
    assert list((tmp_path / "job").glob("*")) == []
    if "://" not in channel.location:
        with pytest.raises(error, match=said):
            check_channel(channel)


def test_a_store_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/broken/1.jpg", b"x")

    class Lost(Exception): ...

    def broken(*_: object, **__: object) -> None:
        raise Lost("connection reset")

    monkeypatch.setattr(type(memory), "get", broken)
    with pytest.raises(StorageFailed, match="connection reset"):
        place_channel(Channel("train", "memory://bucket/broken"), tmp_path / "job", ignore)
    assert os.listdir(tmp_path / "job") == []


def test_keys_that_leave_their_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="leaves its folder"):
        channels._inside(tmp_path, "bucket/data", "bucket/data/../../etc/passwd")


def test_a_killed_attempt_leaves_only_what_is_cleared_away(tmp_path: Path) -> None:
    half = tmp_path / "job" / ".tintype-train.abc"
    (half / "data").mkdir(parents=True)
    place_channel(Channel("train", str(images(tmp_path / "data"))), tmp_path / "job", ignore)
    remove_unfinished(tmp_path / "job")
    assert os.listdir(tmp_path / "job") == ["train"]
