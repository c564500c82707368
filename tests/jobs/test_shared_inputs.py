from __future__ import annotations

import multiprocessing
import os
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest

from tintype.errors import StorageFailed
from tintype.jobs import shared_inputs
from tintype.jobs.channels import place_channel
from tintype.jobs.shared_inputs import folder_of, forget, key_of
from tintype.jobs.specification import Channel

TRIALS = 4


def ignore(_: str) -> None: ...


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A URL with two files; each download is a line in downloads.txt."""
    memory = fsspec.filesystem("memory")
    url = f"memory://shared/{tmp_path.name}"
    memory.pipe(f"{url}/cat/1.jpg", b"cat")
    memory.pipe(f"{url}/dog/1.jpg", b"dog")
    get = type(memory).get

    def counted(self: object, paths: list[str], *arguments: object) -> object:
        with (tmp_path / "downloads.txt").open("a") as log:
            log.writelines(f"{path}\n" for path in paths)
        return get(self, paths, *arguments)

    monkeypatch.setattr(type(memory), "get", counted)
    return url


def downloads(tmp_path: Path) -> int:
    return len((tmp_path / "downloads.txt").read_text().splitlines())


def test_trials_at_once_fetch_once_and_have_copies_of_their_own(tmp_path: Path, bucket: str) -> None:
    shared = folder_of(tmp_path / "home", "ants")
    fork = multiprocessing.get_context("fork")

    def place(number: int) -> None:
        place_channel(Channel("train", bucket), tmp_path / f"trial-{number}", ignore, shared)

    trials = [fork.Process(target=place, args=(number,)) for number in range(TRIALS)]
    for trial in trials:
        trial.start()
    for trial in trials:
        trial.join()
    assert [trial.exitcode for trial in trials] == [0] * TRIALS
    assert downloads(tmp_path) == 2
    (tmp_path / "trial-0" / "train" / "cat" / "1.jpg").write_bytes(b"harm")         # in place, as File mode allows
    (tmp_path / "trial-0" / "train" / "dog" / "1.jpg").unlink()
    said: list[str] = []
    place_channel(Channel("train", bucket), tmp_path / "later", said.append, shared)
    assert said == ["channel train: 0.0 MB as another trial has fetched them"]
    for name in ("trial-1", "trial-2", "trial-3", "later"):
        assert (tmp_path / name / "train" / "cat" / "1.jpg").read_bytes() == b"cat"
        assert (tmp_path / name / "train" / "dog" / "1.jpg").read_bytes() == b"dog"
    forget(tmp_path / "home", "ants")
    assert os.listdir(tmp_path / "home" / shared_inputs.FOLDER) == []
    forget(tmp_path / "home")
    assert os.listdir(tmp_path / "home") == []


def test_data_that_has_changed_is_fetched_again(tmp_path: Path, bucket: str) -> None:
    shared = folder_of(tmp_path, "ants")
    place_channel(Channel("train", bucket), tmp_path / "first", ignore, shared)
    fsspec.filesystem("memory").pipe(f"{bucket}/cat/1.jpg", b"CAT")
    placed = place_channel(Channel("train", bucket), tmp_path / "second", ignore, shared)
    assert (placed / "cat" / "1.jpg").read_bytes() == b"CAT"
    assert downloads(tmp_path) == 4


def test_what_a_killed_trial_half_fetched_counts_for_nothing(tmp_path: Path, bucket: str) -> None:
    shared = folder_of(tmp_path, "ants")
    fork = multiprocessing.get_context("fork")

    def die_half_way() -> None:
        def report(_: str) -> None:
            os._exit(9)

        place_channel(Channel("train", bucket), tmp_path / "killed", report, shared)

    killed = fork.Process(target=die_half_way)
    killed.start()
    killed.join()
    assert [name for name in os.listdir(shared) if name.startswith(".")]
    placed = place_channel(Channel("train", bucket), tmp_path / "next", ignore, shared)
    assert (placed / "cat" / "1.jpg").read_bytes() == b"cat"
    assert [name for name in os.listdir(shared) if name.startswith(".")] == []


def test_a_fetch_that_breaks_off_leaves_it_to_the_next(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = folder_of(tmp_path, "ants")
    memory = type(fsspec.filesystem("memory"))
    works = memory.get

    def broken(*_: object) -> None:
        raise RuntimeError("connection reset")

    monkeypatch.setattr(memory, "get", broken)
    with pytest.raises(StorageFailed, match="connection reset"):
        place_channel(Channel("train", bucket), tmp_path / "first", ignore, shared)
    monkeypatch.setattr(memory, "get", works)
    place_channel(Channel("train", bucket), tmp_path / "second", ignore, shared)
    assert downloads(tmp_path) == 2


def test_a_key_stands_for_names_sizes_and_versions() -> None:
    file = {"size": 3, "ETag": '"a"', "LastModified": datetime(2026, 1, 1, tzinfo=UTC), "time": 1.0}
    key = key_of("s3://b/train", {"b/train/1": file})
    assert key == key_of("s3://b/train", {"b/train/1": {**file, "time": 2.0}})      # when it was read
    others = [
        key_of("s3://b/test", {"b/train/1": file}),
        key_of("s3://b/train", {"b/train/2": file}),
        key_of("s3://b/train", {"b/train/1": {**file, "ETag": '"b"'}}),
        key_of("s3://b/train", {"b/train/1": {**file, "size": 4}}),
        key_of("s3://b/train", {"b/train/1": file, "b/train/2": file}),
    ]
    assert len({key, *others}) == 6
