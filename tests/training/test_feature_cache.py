from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tintype.datasets.cache_folder import BUILDING, CacheFolder
from tintype.errors import TooLarge
from tintype.training.feature_cache import FEATURES, MatrixRequest, Rows, build, find

LIMIT = 10**9
IMAGES, DIM = 50, 7
WANTED = np.arange(IMAGES * DIM, dtype=np.float32).reshape(IMAGES, DIM)


def request(key: str = "key", precision: str = "fp32") -> MatrixRequest:
    return MatrixRequest(key, IMAGES, DIM, precision, {"split": "train", "view": "identity"})


def pieces(first: int) -> Iterator[Rows]:
    for start in range(first, IMAGES, 8):
        yield WANTED[start : start + 8]


class Broken(Exception):
    pass


def half(first: int) -> Iterator[Rows]:
    for rows in pieces(first):
        if rows[0, 0] >= WANTED[24, 0]:
            raise Broken
        yield rows


def never(first: int) -> Iterator[Rows]:
    raise AssertionError("this has been computed before")


def test_what_was_computed_is_found_and_can_only_be_read(tmp_path: Path) -> None:
    assert find(tmp_path, request()) is None
    built = build(tmp_path, request(), pieces, limit_bytes=LIMIT)
    assert np.array_equal(built.rows, WANTED)
    assert not built.rows.flags.writeable
    again = build(tmp_path, request(), never, limit_bytes=LIMIT)
    assert np.array_equal(again.rows, WANTED)
    assert again.precision == "fp32"


def test_the_cache_can_be_listed(tmp_path: Path) -> None:
    build(tmp_path, request("one", "int8"), pieces, limit_bytes=LIMIT)
    (entry,) = CacheFolder(tmp_path).entries()
    assert entry.key == "one"
    assert entry.bytes >= request().bytes
    assert entry.description == {
        "split": "train", "view": "identity", "images": IMAGES, "dim": DIM, "precision": "int8",
    }  # fmt: skip


def test_what_was_half_done_is_not_used_but_gone_on_from(tmp_path: Path) -> None:
    with pytest.raises(Broken):
        build(tmp_path, request(), half, limit_bytes=LIMIT)
    assert find(tmp_path, request()) is None
    began: list[int] = []

    def rest(first: int) -> Iterator[Rows]:
        began.append(first)
        return pieces(first)

    built = build(tmp_path, request(), rest, limit_bytes=LIMIT)
    assert began == [24]
    assert np.array_equal(built.rows, WANTED)


def test_a_half_done_file_of_another_size_is_begun_again(tmp_path: Path) -> None:
    with pytest.raises(Broken):
        build(tmp_path, request(), half, limit_bytes=LIMIT)
    with (tmp_path / BUILDING / "key" / FEATURES).open("ab") as stream:
        stream.write(b"more")
    assert np.array_equal(build(tmp_path, request(), pieces, limit_bytes=LIMIT).rows, WANTED)


def test_a_damaged_matrix_is_computed_again(tmp_path: Path) -> None:
    build(tmp_path, request(), pieces, limit_bytes=LIMIT)
    os.truncate(tmp_path / "key" / FEATURES, 10)
    assert find(tmp_path, request()) is None
    assert np.array_equal(build(tmp_path, request(), pieces, limit_bytes=LIMIT).rows, WANTED)


def test_two_builders_compute_once(tmp_path: Path) -> None:
    computed: list[int] = []
    meeting = threading.Barrier(2)

    def counted(first: int) -> Iterator[Rows]:
        computed.append(first)
        return pieces(first)

    def builder() -> None:
        meeting.wait()
        assert np.array_equal(build(tmp_path, request(), counted, limit_bytes=LIMIT).rows, WANTED)

    threads = [threading.Thread(target=builder) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert computed == [0]


KILLED = """
import sys, time
from pathlib import Path
from tintype.training import feature_cache
from tests.training import test_feature_cache as here

feature_cache.SAVE_SECONDS = 0.0

def slow(first):
    for number, rows in enumerate(here.pieces(first)):
        if number == 4:
            print("ready", flush=True)
            time.sleep(600)
        yield rows

feature_cache.build(Path(sys.argv[1]), here.request(), slow, limit_bytes=here.LIMIT)
"""


def test_after_a_kill_the_next_builder_goes_on(tmp_path: Path) -> None:
    paths = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, env=paths) as child:
        assert child.stdout is not None
        ready = child.stdout.readline()
        child.kill()
    assert ready == b"ready\n"
    assert find(tmp_path, request()) is None
    began: list[int] = []

    def rest(first: int) -> Iterator[Rows]:
        began.append(first)
        return pieces(first)

    assert np.array_equal(build(tmp_path, request(), rest, limit_bytes=LIMIT).rows, WANTED)
    assert began == [32]


def test_a_matrix_in_use_is_not_removed_and_the_limit_holds(tmp_path: Path) -> None:
    held = build(tmp_path, request("held"), pieces, limit_bytes=LIMIT)
    build(tmp_path, request("free"), pieces, limit_bytes=LIMIT)
    build(tmp_path, request("new"), pieces, limit_bytes=2 * request().bytes)
    assert find(tmp_path, request("free")) is None
    assert find(tmp_path, request("held")) is not None
    assert np.array_equal(held.rows, WANTED)
    with pytest.raises(TooLarge, match="TINTYPE_CACHE_BYTES"):
        build(tmp_path, request("large"), pieces, limit_bytes=request().bytes - 1)
