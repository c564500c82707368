"""The image cache: right pixels, each file decoded once, and no half-made entry, whoever dies."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tintype.datasets import decoding
from tintype.datasets.dataset import Dataset, Index
from tintype.datasets.image_cache import ImageCache, Problem, View, build, clear, entries
from tintype.datasets.transforms import Preprocessing
from tintype.errors import InvalidRequest, NotFound, StorageFailed, TooLarge

GIB = 1024**3
VIEW = View.evaluation(Preprocessing(8))
ROW_BYTES = 8 * 8 * 3


def index(root: Path) -> Dataset:
    reading = Index()
    for path in sorted(root.glob("*/*")):
        status = path.stat()
        name = path.relative_to(root).as_posix()
        reading.add(name, path.parent.name, 0, status.st_size, status.st_mtime_ns)
    return reading.finish(root, "class folders", ())


def paint(path: Path, grey: int, size: tuple[int, int] = (20, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (grey, grey, 255 - grey)).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(40):
        paint(tmp_path / "photos" / f"class{number % 2}" / f"{number:03}.png", number * 5)
    return tmp_path / "photos"


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read."""
    names: list[str] = []
    real = decoding.read_image_file

    def read(path: Path, max_pixels: int) -> bytes:
        names.append(path.name)
        return real(path, max_pixels)

    monkeypatch.setattr(decoding, "read_image_file", read)
    return names


def make(
    dataset: Dataset, directory: Path, view: View = VIEW, limit_bytes: int = GIB, max_pixels: int = 10**8
) -> ImageCache:
    return build(
        dataset, range(len(dataset)), view,
        directory=directory, limit_bytes=limit_bytes, max_pixels=max_pixels, workers=2,
    )  # fmt: skip


def leftovers(directory: Path) -> list[str]:
    """What there is beside sound entries and locks."""
    sound = {entry.key for entry in entries(directory)} | {"locks", "building"}
    building = directory / "building"
    strays = [path.name for path in building.iterdir()] if building.is_dir() else []
    return strays + [path.name for path in directory.iterdir() if path.name not in sound]


def test_rows_are_what_the_preprocessing_gives(photos: Path, cache_dir: Path) -> None:
    dataset, order = index(photos), np.array([5, 3, 3, 39, 0])
    calls: list[tuple[int, int]] = []
    preprocessing = Preprocessing(8)
    with build(
        dataset, order, VIEW, directory=cache_dir, limit_bytes=GIB, workers=3,
        progress=lambda done, total: calls.append((done, total)),
    ) as cache:  # fmt: skip
        assert cache.images.shape == (5, 8, 8, 3)
        assert (cache.images.dtype, cache.images.flags.writeable) == (np.uint8, False)
        for row, position in enumerate(order):
            expected = preprocessing.decode(dataset.file(int(position)).read_bytes())
            assert (cache.images[row] == expected).all()
            assert (cache.row(row) == expected).all()
        assert (cache.gather(np.array([4, 0])) == cache.images[[4, 0]]).all()
        assert cache.ok.all()
        assert (cache.aspect == 2.0).all()
        assert (cache.hit, len(cache), cache.problems) == (False, 5, ())
    assert calls[-1] == (5, 5)


def test_the_second_time_nothing_is_decoded(photos: Path, cache_dir: Path, decoded: list[str]) -> None:
    first = make(index(photos), cache_dir)
    assert len(decoded) == 40
    second = make(index(photos), cache_dir)
    assert len(decoded) == 40
    assert (second.hit, second.key) == (True, first.key)
    assert (second.images == first.images).all()


def test_a_changed_file_is_decoded_again_and_the_others_are_copied(
    photos: Path, cache_dir: Path, decoded: list[str]
) -> None:
    before = make(index(photos), cache_dir)
    paint(photos / "class1/007.png", 255, size=(9, 9))
    paint(photos / "class1/new.png", 77)
    (photos / "class0/000.png").unlink()
    decoded.clear()
    dataset = index(photos)
    after = make(dataset, cache_dir)
    assert sorted(decoded) == ["007.png", "new.png"]
    assert (after.hit, after.key == before.key) == (False, False)
    fresh = make(dataset, cache_dir.with_name("fresh"))
    assert (after.images == fresh.images).all()
    assert (after.aspect == fresh.aspect).all()


def test_another_selection_borrows_from_several_entries(photos: Path, cache_dir: Path, decoded: list[str]) -> None:
    dataset = index(photos)
    for selection in (range(10), range(10, 20)):
        build(dataset, selection, VIEW, directory=cache_dir, limit_bytes=GIB)
    decoded.clear()
    both = build(dataset, range(5, 25), VIEW, directory=cache_dir, limit_bytes=GIB)
    assert sorted(decoded) == sorted(dataset.file(position).name for position in range(20, 25))
    assert (both.images == make(dataset, cache_dir).images[5:25]).all()


def test_views_limits_and_folders_do_not_mix(photos: Path, cache_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for path in photos.glob("*/*"):
        paint(other / path.relative_to(photos), 3)
        times = path.stat()
        os.utime(other / path.relative_to(photos), ns=(times.st_atime_ns, times.st_mtime_ns))
    keys = [
        make(index(photos), cache_dir).key,
        make(index(photos), cache_dir, View.evaluation(Preprocessing(8, "stretch"))).key,
        make(index(photos), cache_dir, View.source(9)).key,
        make(index(photos), cache_dir, max_pixels=10_000).key,
        make(index(other), cache_dir).key,
    ]
    assert len(set(keys)) == len(keys)


def test_mean_and_std_share_an_entry(photos: Path, cache_dir: Path) -> None:
    make(index(photos), cache_dir)
    assert make(index(photos), cache_dir, View.evaluation(Preprocessing(8, mean=(0, 0, 0), std=(1, 1, 1)))).hit


def test_no_files_make_an_empty_cache(photos: Path, cache_dir: Path) -> None:
    cache = build(index(photos), [], VIEW, directory=cache_dir, limit_bytes=GIB)
    assert cache.images.shape == (0, 8, 8, 3)
    assert cache.gather(np.array([], np.int64)).shape == (0, 8, 8, 3)


def test_bad_files_have_a_reason_and_no_row(photos: Path, cache_dir: Path) -> None:
    (photos / "class0/text.jpg").write_text("I am a text file")
    (photos / "class0/empty.png").write_bytes(b"")
    whole = (photos / "class1/001.png").read_bytes()
    (photos / "class1/cut.png").write_bytes(whole[: len(whole) // 2])
    paint(photos / "class1/huge.png", 0, size=(500, 500))
    dataset = index(photos)
    cache = make(dataset, cache_dir, max_pixels=10_000)
    reasons = {problem.path: problem.reason.split(":")[0] for problem in cache.problems}
    assert reasons == {
        "class0/text.jpg": "not an image",
        "class0/empty.png": "empty",
        "class1/cut.png": "truncated PNG",
        "class1/huge.png": "500 x 500 pixels; the limit is 10,000 pixels",
    }
    assert {dataset.paths[int(row)] for row in np.flatnonzero(~cache.ok)} == set(reasons)
    again = make(dataset, cache_dir, max_pixels=10_000)
    assert (again.hit, again.problems) == (True, cache.problems)


def test_a_folder_whose_name_is_not_unicode(photos: Path, cache_dir: Path) -> None:
    folder = photos.with_name(os.fsdecode(b"caf\xe9"))
    photos.rename(folder)
    paint(folder / "class1/café 漢.png", 9)
    (folder / "class1/蜂.png").write_bytes(b"no picture")
    for hit in (False, True):
        with make(index(folder), cache_dir) as cache:
            assert cache.hit is hit
            assert [problem.path for problem in cache.problems] == ["class1/蜂.png"]
            assert entries(cache_dir)[0].description["root"] == str(folder)


def test_a_file_that_is_gone_is_a_problem_until_it_is_back(photos: Path, cache_dir: Path) -> None:
    dataset = index(photos)
    path = photos / "class0/002.png"
    content, status = path.read_bytes(), path.stat()
    path.unlink()
    cache = make(dataset, cache_dir)
    assert [problem.path for problem in cache.problems] == ["class0/002.png"]
    assert cache.problems[0].reason.startswith("unreadable: No such file")
    assert make(dataset, cache_dir).hit
    cache.close()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    mended = make(dataset, cache_dir)
    assert (mended.hit, mended.problems, mended.ok.all()) == (False, (), True)


def test_a_damaged_entry_is_built_again(photos: Path, cache_dir: Path) -> None:
    dataset = index(photos)
    for damage in ("pixels.bin", "rows.npy", "entry.json"):
        cache = make(dataset, cache_dir)
        cache.close()
        path = cache_dir / cache.key / damage
        path.write_bytes(path.read_bytes()[:-7])
        mended = make(dataset, cache_dir)
        assert not mended.hit
        assert mended.images[39].any()
        mended.close()


# ---------------------------------------------------------------------------------------------------- space and time


def test_the_least_recently_used_entry_makes_room(photos: Path, cache_dir: Path) -> None:
    dataset = index(photos)
    views = [View.evaluation(Preprocessing(8, resize)) for resize in ("crop", "stretch")]
    for age, view in enumerate(views):
        with make(dataset, cache_dir, view) as cache:
            os.utime(cache_dir / cache.key / "entry.json", (age, age))
    make(dataset, cache_dir, views[0]).close()                     # now the first is the one used last
    tight = sum(entry.bytes for entry in entries(cache_dir)) + 40 * 9 * 9 * 3 - 1
    make(dataset, cache_dir, View.source(9), limit_bytes=tight).close()
    assert sorted(entry.description["view"] for entry in entries(cache_dir)) == ["8 px crop", "9 px stretch"]
    assert leftovers(cache_dir) == []


def test_what_is_open_is_never_evicted_nor_cleared(photos: Path, cache_dir: Path) -> None:
    dataset = index(photos)
    limit = 40 * 9 * 9 * 3
    with make(dataset, cache_dir) as held:
        pixels = held.images.copy()
        make(dataset, cache_dir, View.source(9), limit_bytes=limit).close()
        assert {entry.key for entry in entries(cache_dir) if entry.in_use} == {held.key}
        assert [entry.description["view"] for entry in clear(cache_dir)] == ["9 px stretch"]
        assert (held.images == pixels).all()
    assert [entry.key for entry in clear(cache_dir)] == [held.key]
    assert entries(cache_dir) == ()


def test_rows_are_borrowed_from_an_entry_before_it_could_be_evicted(
    photos: Path, cache_dir: Path, decoded: list[str]
) -> None:
    make(index(photos), cache_dir).close()
    paint(photos / "class1/007.png", 255)
    decoded.clear()
    make(index(photos), cache_dir, limit_bytes=40 * ROW_BYTES).close()
    assert decoded == ["007.png"]


def test_an_entry_over_the_limit_says_what_to_do(photos: Path, cache_dir: Path) -> None:
    with pytest.raises(TooLarge, match="TINTYPE_CACHE_BYTES"):
        make(index(photos), cache_dir, limit_bytes=40 * ROW_BYTES - 1)
    assert entries(cache_dir) == ()


def test_clear_by_key(photos: Path, cache_dir: Path) -> None:
    keys = []
    for view in (VIEW, View.source(9)):
        with make(index(photos), cache_dir, view) as cache:
            keys.append(cache.key)
    assert [entry.key for entry in clear(cache_dir, keys[:1])] == keys[:1]
    assert [entry.key for entry in entries(cache_dir)] == keys[1:]
    with pytest.raises(NotFound, match="cache entry"):
        clear(cache_dir, ["nothing"])


def test_entries_say_what_they_are(photos: Path, cache_dir: Path) -> None:
    assert entries(cache_dir) == ()
    with make(index(photos), cache_dir) as cache:
        (entry,) = entries(cache_dir)
    assert (entry.key, entry.path, entry.in_use) == (cache.key, cache_dir / cache.key, True)
    assert entry.description == {
        "view": "8 px crop", "root": str(photos), "images": 40, "side": 8, "problems": [],
    }  # fmt: skip
    assert 40 * ROW_BYTES < entry.bytes < 40 * ROW_BYTES + 4_000


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite", "fdatasync", "rename"])
def test_a_full_disk_leaves_nothing_behind(
    photos: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StorageFailed, match="disk is full"):
            make(index(photos), cache_dir)
    assert entries(cache_dir) == ()
    assert leftovers(cache_dir) == []
    assert make(index(photos), cache_dir).ok.all()


def test_a_folder_that_cannot_be_written(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((StorageFailed, OSError)):
        make(index(photos), tmp_path / "file")


def test_workers_must_be_positive(photos: Path, cache_dir: Path) -> None:
    with pytest.raises(InvalidRequest, match="workers"):
        build(index(photos), [0], VIEW, directory=cache_dir, limit_bytes=GIB, workers=0)


def test_an_error_of_the_progress_callback_ends_the_build_cleanly(photos: Path, cache_dir: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(index(photos), range(40), VIEW, directory=cache_dir, limit_bytes=GIB, progress=stop)
    assert leftovers(cache_dir) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


# ------------------------------------------------------------------------------------------------- several processes

BUILDER = r"""
import json, os, sys, time
from pathlib import Path
from tintype.datasets import decoding
from tests.datasets.test_image_cache import index, make

photos, cache, pause, free = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
gate = cache.with_name("gate")
real = decoding.read_image_file
count = 0
def read(path, max_pixels):
    global count
    count += 1
    os.write(1, b"reading\n")
    time.sleep(pause)
    while count > free and not gate.exists():           # the first few need not wait for the gate to be opened
        time.sleep(0.01)
    return real(path, max_pixels)
decoding.read_image_file = read
cache = make(index(photos), cache)
print(json.dumps([cache.hit, count, int(cache.images.sum())]), flush=True)
"""


@pytest.fixture
def start(photos: Path, cache_dir: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def begin(pause: float = 0.0, free: int = 1000) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", BUILDER, str(photos), str(cache_dir), str(pause), str(free)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_two_processes_build_one_entry_once(
    start: Callable[..., subprocess.Popen[str]], photos: Path, cache_dir: Path
) -> None:
    both = [start(0.005), start(0.005)]
    results = sorted(json.loads(process.communicate(timeout=180)[0].splitlines()[-1]) for process in both)
    total = int(make(index(photos), cache_dir).images.sum())
    assert results == [[False, 40, total], [True, 0, total]]


def test_a_killed_builder_leaves_nothing_that_is_used(
    start: Callable[..., subprocess.Popen[str]], photos: Path, cache_dir: Path
) -> None:
    process = start(free=20)
    assert process.stdout is not None
    for _ in range(20):
        assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert entries(cache_dir) == ()
    assert len(leftovers(cache_dir)) == 1
    other = make(index(photos), cache_dir, View.source(9))          # the build of another entry sweeps up
    assert leftovers(cache_dir) == []
    other.close()
    cache = make(index(photos), cache_dir)
    assert (cache.hit, cache.ok.all()) == (False, True)
    assert (cache.images == make(index(photos), cache_dir.with_name("fresh")).images).all()


def test_clearing_leaves_a_running_build_alone(
    start: Callable[..., subprocess.Popen[str]], cache_dir: Path
) -> None:
    process = start(free=1)
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    assert clear(cache_dir) == ()
    cache_dir.with_name("gate").touch()
    last = process.communicate(timeout=180)[0].splitlines()[-1]
    assert json.loads(last)[:2] == [False, 40]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path, cache_dir: Path) -> None:
    """267 MB of pixels are built and read twice; pages are given back after 64 MB."""
    paint(tmp_path / "photos/a/0.png", 7)
    dataset, view = index(tmp_path / "photos"), View.source(512)
    selection = np.zeros(340, np.int64)
    build(dataset, selection[:2], view, directory=cache_dir, limit_bytes=GIB, workers=2).close()
    before = psutil.Process().memory_info().rss
    with build(dataset, selection, view, directory=cache_dir, limit_bytes=GIB, workers=2) as cache:
        built = psutil.Process().memory_info().rss
        peak = 0
        for start in [*range(0, 320, 20)] * 2:
            assert cache.gather(np.arange(start, start + 20))[..., 2].min() == 248
            peak = max(peak, psutil.Process().memory_info().rss)
    assert built - before < 20e6
    assert peak - before < 120e6


def test_problem_is_a_plain_value() -> None:
    assert Problem("a.jpg", "empty") == Problem("a.jpg", "empty")
