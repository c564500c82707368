"""The indices of the batches that torch's DataLoader hands out, with workers or without.

The sampler is asked in this process, ahead of time and in the order in which the batches come; so the indices wait in
a queue of each iterator until their batch is handed out. A script that fetches batches ahead of the step that uses them
is told apart only by the size of the batch.
"""

from __future__ import annotations

import functools
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, final

from torch.utils.data.dataloader import _BaseDataLoaderIter

from tintype.debugger.samples import sample_ids

REMEMBERED = 8      # batches that were handed out and may still be used


class HandedOut(NamedTuple):
    """A batch: its data set and the indices of its samples."""

    dataset: Any
    indices: list[Any]


@final
class LoaderWatch:
    """Notes what is handed out from `start` to `stop`."""

    def __init__(self) -> None:
        self._waiting: weakref.WeakKeyDictionary[Any, deque[Any]] = weakref.WeakKeyDictionary()
        self._handed_out: deque[HandedOut] = deque(maxlen=REMEMBERED)
        self._originals: dict[str, Callable[..., Any]] = {}

    def start(self) -> None:
        """Watch all loaders of the process."""
        for name, wrap in (("_next_index", self._asked), ("__next__", self._next), ("_reset", self._reset)):
            original = self._originals[name] = getattr(_BaseDataLoaderIter, name)
            setattr(_BaseDataLoaderIter, name, functools.wraps(original)(wrap(original)))

    def stop(self) -> None:
        """Leave them alone."""
        for name, original in self._originals.items():
            if getattr(getattr(_BaseDataLoaderIter, name), "__wrapped__", None) is original:
                setattr(_BaseDataLoaderIter, name, original)
        self._originals = {}

    def ids(self, size: int) -> list[str]:
        """What names the samples of the latest batch of `size`; nothing when there was none. It is given once."""
        for one in reversed(self._handed_out):
            if len(one.indices) == size:
                self._handed_out.clear()
                return sample_ids(one.dataset, one.indices)
        return []

    def _asked(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def next_index(iterator: Any) -> Any:
            index = original(iterator)
            self._waiting.setdefault(iterator, deque()).append(index)
            return index

        return next_index

    def _reset(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def reset(iterator: Any, *args: Any, **kwargs: Any) -> Any:
            self._waiting.pop(iterator, None)
            return original(iterator, *args, **kwargs)

        return reset

    def _next(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def next_batch(iterator: Any) -> Any:
            batch = original(iterator)
            waiting = self._waiting.get(iterator)
            if waiting and getattr(iterator, "_in_order", True):
                index = waiting.popleft()
                indices = list(index) if isinstance(index, list | tuple) else [index]
                if all(one is not None for one in indices):                     # an iterable data set has no indices
                    self._handed_out.append(HandedOut(iterator._dataset, indices))
            return batch

        return next_batch
