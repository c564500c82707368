"""Orders that are the same everywhere, and a prefetch thread that never outlives its use."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.datasets.batches import Prefetch, balanced_weights, batches, epoch_order, shard
from tintype.errors import InvalidRequest


@settings(deadline=None)
@given(count=st.integers(0, 300), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10_000))
def test_an_epoch_is_a_permutation(count: int, seed: int, epoch: int) -> None:
    order = epoch_order(count, seed=seed, epoch=epoch)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(count))


def test_the_order_is_written_in_stone() -> None:
    assert epoch_order(8, seed=0, epoch=0).tolist() == [0, 2, 1, 5, 4, 3, 6, 7]
    weights = np.array([1.0, 0.0, 2.0, 5.0])
    assert epoch_order(4, seed=7, epoch=3, weights=weights).tolist() == [3, 3, 0, 2]


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(epoch_order(50, seed=seed, epoch=epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_a_weighted_draw_follows_the_weights() -> None:
    weights = np.zeros(20_000)
    weights[:100], weights[100:200] = 3.0, 1.0
    drawn = epoch_order(20_000, seed=1, epoch=2, weights=weights)
    assert drawn.max() < 200
    assert abs((drawn < 100).mean() - 0.75) < 0.01


def test_balanced_weights_draw_every_class_equally() -> None:
    labels = np.array([0] * 9_000 + [1] * 900 + [2] * 100)
    drawn = epoch_order(len(labels), seed=0, epoch=0, weights=balanced_weights(labels))
    assert abs(np.bincount(labels[drawn]) / len(labels) - 1 / 3).max() < 0.02


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, float("nan")], [[1.0, 1.0]]])
def test_weights_that_make_no_sense_are_refused(weights: list[float]) -> None:
    with pytest.raises(InvalidRequest, match="weights"):
        epoch_order(2, seed=0, epoch=0, weights=np.array(weights))


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="seed"):
        epoch_order(2, seed=-1, epoch=0)


@settings(deadline=None)
@given(count=st.integers(0, 60), world=st.integers(1, 7))
def test_shards_are_equal_and_cover_everything(count: int, world: int) -> None:
    parts = [shard(np.arange(count), rank, world) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    assert set(np.concatenate(parts)) == set(range(count))
    assert sum(map(len, parts)) < count + world


@pytest.mark.parametrize(("rank", "world"), [(-1, 2), (2, 2), (0, 0)])
def test_a_rank_outside_the_world_is_refused(rank: int, world: int) -> None:
    with pytest.raises(InvalidRequest, match="rank"):
        shard(np.arange(4), rank, world)


@settings(deadline=None)
@given(count=st.integers(0, 60), size=st.integers(1, 20))
def test_batches_keep_the_order(count: int, size: int) -> None:
    cut = batches(np.arange(count), size)
    assert [index for batch in cut for index in batch] == list(range(count))
    assert all(len(batch) == size for batch in cut[:-1])


def test_drop_last_leaves_at_least_one_batch() -> None:
    assert [len(batch) for batch in batches(np.arange(10), 4, drop_last=True)] == [4, 4]
    assert [len(batch) for batch in batches(np.arange(8), 4, drop_last=True)] == [4, 4]
    assert [len(batch) for batch in batches(np.arange(3), 4, drop_last=True)] == [3]
    with pytest.raises(InvalidRequest, match="batch size"):
        batches(np.arange(3), 0)


# ---------------------------------------------------------------------------------------------------------- prefetch


class Source:
    """Counts upwards for ever, and tells how far it got and whether it was closed."""

    def __init__(self, fail_at: int | None = None, length: int = 10**9) -> None:
        self.made, self.closed, self._fail_at, self._length = 0, threading.Event(), fail_at, length

    def __iter__(self) -> Iterator[int]:
        try:
            while self.made < self._length:
                if self.made == self._fail_at:
                    raise LookupError("the source broke")
                self.made += 1
                yield self.made - 1
        finally:
            self.closed.set()


def prefetch_threads() -> int:
    return sum(thread.name == "prefetch" for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    deadline = time.perf_counter() + 60
    while prefetch_threads() and time.perf_counter() < deadline:
        time.sleep(0.001)
    assert prefetch_threads() == 0


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("length", [0, 1, 2, 100])
def test_everything_arrives_in_order(depth: int, length: int) -> None:
    assert list(Prefetch(Source(length=length), depth)) == list(range(length))


@pytest.mark.parametrize("depth", [1, 3])
def test_it_runs_ahead_by_depth_and_no_further(depth: int) -> None:
    source = Source()
    with Prefetch(source, depth) as ahead:
        assert next(ahead) == 0
        deadline = time.perf_counter() + 60
        while source.made < depth + 2 and time.perf_counter() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert source.made == depth + 2        # one taken, `depth` waiting, one in the thread's hand


@pytest.mark.parametrize("depth", [1, 2])
def test_an_error_of_the_source_is_raised_in_its_place(depth: int) -> None:
    ahead = Prefetch(Source(fail_at=3), depth)
    assert [next(ahead), next(ahead), next(ahead)] == [0, 1, 2]
    with pytest.raises(LookupError, match="the source broke"):
        next(ahead)
    assert list(ahead) == []


def test_a_source_that_cannot_be_iterated_raises_too() -> None:
    with pytest.raises(TypeError):
        list(Prefetch(5))                      # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("depth", [1, 2])
def test_breaking_off_ends_the_thread_and_closes_the_source(depth: int) -> None:
    source = Source()
    for item in Prefetch(source, depth):
        if item == 3:
            break
    assert source.closed.wait(60)


def test_an_error_of_the_consumer_ends_the_thread() -> None:
    source = Source()
    ahead = Prefetch(source)
    with pytest.raises(ZeroDivisionError), ahead:
        sum(1 // item for item in ahead)
    assert source.closed.is_set()
    assert list(ahead) == []
    ahead.close()


def test_closing_at_any_moment_never_hangs() -> None:
    for taken in range(30):
        ahead = Prefetch(Source(length=20), depth=1 + taken % 3)
        for _ in range(min(taken, 20)):
            next(ahead)
        ahead.close()


def test_depth_must_be_positive() -> None:
    with pytest.raises(InvalidRequest, match="depth"):
        Prefetch([], depth=0)
