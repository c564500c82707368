"""The order in which an epoch sees its images, cut into batches, and a thread that fetches them ahead.

The orders are pure functions of their arguments, the same on every machine and with every NumPy: they use only the raw
stream of the Philox generator, which NumPy promises never to change, and none of the methods built on it.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from queue import Empty, Queue
from types import TracebackType
from typing import Generic, Self, TypeVar, cast, final

import numpy as np
from numpy.typing import NDArray

from tintype.errors import InvalidRequest

Item = TypeVar("Item")
Indices = NDArray[np.int64]
MANTISSA_BITS = 53
MAX_SEED = 2**63 - 1


def epoch_order(count: int, *, seed: int, epoch: int, weights: NDArray[np.floating] | None = None) -> Indices:
    """The positions 0 .. count - 1 in the order of this epoch, int64 (count,).

    Without `weights` a permutation. With `weights` (count,) each place is drawn independently, with replacement, in
    proportion to them. `InvalidRequest` when they are negative, not finite, all zero, or not `count` in number.
    """
    if not 0 <= seed <= MAX_SEED or not 0 <= epoch <= MAX_SEED:
        raise InvalidRequest(f"seed and epoch must be from 0 to {MAX_SEED}, got {seed} and {epoch}")
    raw = np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)).random_raw(count)
    if weights is None:
        return np.argsort(raw, kind="stable").astype(np.int64, copy=False)
    heights = np.cumsum(_checked(weights, count))
    if not count:
        return np.empty(0, np.int64)
    uniform = (raw >> (64 - MANTISSA_BITS)) * 2.0**-MANTISSA_BITS          # in [0, 1)
    below_the_top = np.minimum(uniform * heights[-1], np.nextafter(heights[-1], 0))
    return np.searchsorted(heights, below_the_top, side="right").astype(np.int64)


def _checked(weights: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    exact = np.asarray(weights, dtype=np.float64)
    if exact.shape != (count,):
        raise InvalidRequest(f"weights must be {count} numbers, one an image; got the shape {exact.shape}")
    if count and not (np.isfinite(exact).all() and (exact >= 0).all() and exact.any()):
        raise InvalidRequest("weights must be finite, none below zero and not all zero")
    return exact


def balanced_weights(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Weights (n,) for `epoch_order` that draw every class equally often. `labels` (n,) are not negative."""
    counts = np.bincount(labels)
    return 1.0 / counts[labels]


def shard(order: Indices, rank: int, world: int) -> Indices:
    """The part of `order` that process `rank` of `world` works on; every rank gets equally many.

    The order is filled up from its own beginning where it cannot be divided, so an evaluation over shards counts
    up to `world - 1` images twice.
    """
    if not 0 <= rank < world:
        raise InvalidRequest(f"rank must be from 0 to world - 1, got rank={rank}, world={world}")
    each = -(-len(order) // world)
    return np.resize(order, each * world)[rank::world] if len(order) else order


def batches(order: Indices, size: int, drop_last: bool = False) -> list[Indices]:
    """`order` cut into pieces of `size`. `drop_last` drops a shorter last one, unless it is the only one."""
    if size < 1:
        raise InvalidRequest(f"the batch size must be at least 1, got {size}")
    cut = [order[start : start + size] for start in range(0, len(order), size)]
    return cut[:-1] if drop_last and len(cut) > 1 and len(cut[-1]) < size else cut


@dataclass(frozen=True)
class _Failed:
    error: BaseException


@dataclass(frozen=True)
class _Ended:
    pass


@dataclass(frozen=True, eq=False)
class _Line(Generic[Item]):
    """What the producer thread and the consumer share. The thread does not hold the `Prefetch` itself alive."""

    items: Queue[Item | _Failed | _Ended]
    stop: threading.Event = field(default_factory=threading.Event)

    def produce(self, source: Iterable[Item]) -> None:
        iterator = iter(())
        try:
            iterator = iter(source)
            for item in iterator:
                self.items.put(item)
                if self.stop.is_set():
                    break
            last = _Ended()
        except BaseException as error:      # it belongs to the consumer, who raises it
            last = _Failed(error)
        finally:
            if isinstance(iterator, Iterator) and hasattr(iterator, "close"):
                iterator.close()            # pyright: ignore[reportAttributeAccessIssue]  a generator
        if not self.stop.is_set():
            self.items.put(last)

    def end(self) -> None:
        """Tell the producer to stop, and make room for the item it may be holding out."""
        self.stop.set()
        with contextlib.suppress(Empty):
            while True:
                self.items.get_nowait()


@final
class Prefetch(Generic[Item]):
    """Iterates over `source` in a thread of its own, at most `depth` items ahead.

    An error of the source is raised where the consumer would have got the next item. The thread ends with the source,
    with `close`, at the end of a `with` block however it ends, and when the object is dropped; an item that is being
    made at that moment is made to its end first.

        with Prefetch(gathered(images, order)) as ahead:
            for batch in ahead: ...
    """

    def __init__(self, source: Iterable[Item], depth: int = 2) -> None:
        if depth < 1:
            raise InvalidRequest(f"depth must be at least 1, got {depth}")
        self._line: _Line[Item] = _Line(Queue(depth))
        self._thread = threading.Thread(target=self._line.produce, args=(source,), name="prefetch", daemon=True)
        self._finalizer = weakref.finalize(self, self._line.end)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._line.stop.is_set():
            raise StopIteration
        item = self._line.items.get()
        if isinstance(item, _Ended):
            self.close()
            raise StopIteration
        if isinstance(item, _Failed):
            self.close()
            raise item.error
        return cast(Item, item)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread and wait for it. Items not yet taken are dropped. Closing twice is fine."""
        self._finalizer()
        self._thread.join()
