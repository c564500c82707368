"""A trial: smdebug's questions, put to Tintype's tensor log."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from smdebug.analysis.utils import name_order, refresh
from smdebug.core.collection import Collection, CollectionKeys
from smdebug.core.collection_manager import CollectionManager
from smdebug.core.live_hooks import flush_hook_of
from smdebug.core.logger import get_logger
from smdebug.core.modes import ModeKeys
from smdebug.core.tensor import StepState, Tensor
from smdebug.exceptions import (
    MissingCollectionFiles,
    NoMoreData,
    SMDebugValueError,
    StepUnavailable,
    TensorUnavailable,
    spoken_as_smdebug,
)
from tintype.debugger.save_config import SaveConfig as Windows
from tintype.debugger.tensor_log import TensorLog, open_log

POLL_SECONDS = 2.0
POLLS_BEFORE_WARNING = 10
MOST_POLLS = 300        # ten minutes; smdebug waits for ever

Range = tuple[int | None, int | None]


class Trial:
    """What a training saved, as it grows.

    `range_steps` (begin, end) leaves out the global steps before `begin` and from `end` on. With `cache` values are
    kept once they were read. `check`, `index_mode` and `parallel` are taken for smdebug's sake: checksums are always
    checked, the index is always used. `path` may be a log that is open already.
    """

    def __init__(
        self,
        name: str,
        path: str | TensorLog,
        range_steps: Range | None = None,
        parallel: bool = True,
        check: bool = False,
        index_mode: bool = True,
        cache: bool = False,
    ) -> None:
        self.name = name
        self.range_steps = range_steps
        self.parallel, self.check, self.index_mode, self.cache = parallel, check, index_mode, cache
        self.logger = get_logger()
        self.dynamic_refresh = True
        self.loaded_all_steps = False
        self.cached_values: dict[Any, Any] | None = {} if cache else None
        self._own_collections: dict[str, Collection] = {}
        if range_steps and None not in range_steps and not range_steps[0] < range_steps[1]:     # type: ignore[operator]
            raise SMDebugValueError(f"range_steps must be (begin, end) with begin less than end, got {range_steps}")
        self.path = path.location if isinstance(path, TensorLog) else path
        flush_hook_of(self.path)
        with spoken_as_smdebug():
            self.log = path if isinstance(path, TensorLog) else open_log(path)
        self._wait_for_collections()

    def _wait_for_collections(self) -> None:
        for poll in range(MOST_POLLS):
            if self.log.collections and len(self.log.workers) >= self.num_workers:
                self.maybe_refresh()
                return
            if self.log.ended:
                raise MissingCollectionFiles
            if poll == POLLS_BEFORE_WARNING:
                self.logger.warning("still waiting for the collections files of %s; is this the right path?", self.path)
            time.sleep(POLL_SECONDS)
            self.log.refresh()
        raise MissingCollectionFiles(
            f"No collections file appeared in {self.path} within {MOST_POLLS * POLL_SECONDS:.0f} seconds"
        )

    # what there is

    @property
    def num_workers(self) -> int:
        """How many workers the training said would write."""
        return self.log.expected_workers

    @property
    def last_complete_step(self) -> int:
        """The newest global step that all the workers wrote; -1 before there is one."""
        return self.log.last_complete_step

    def workers(self) -> list[str]:
        """The workers that wrote something, sorted."""
        self.maybe_refresh()
        return list(self.log.workers)

    def modes(self) -> list[ModeKeys]:
        """The modes of which steps were saved, without `GLOBAL`."""
        return [mode for mode in self.log.modes() if mode is not ModeKeys.GLOBAL]

    def collections(self) -> dict[str, Collection]:
        """The collections by name. What is done to them stays with this trial."""
        for name, saved in self.log.collections.items():
            if name not in self._own_collections:
                self._own_collections[name] = Collection.of(saved)
        return self._own_collections

    def collection(self, coll_name: str) -> Collection:
        """A collection by name, an empty one when there is none."""
        return self.collection_manager.get(coll_name)

    @property
    def collection_manager(self) -> CollectionManager:
        """The collections as smdebug keeps them."""
        return CollectionManager(self.collections())

    def refresh_data(self) -> None:
        """Read what was written since the last time."""
        flush_hook_of(self.path)
        self.log.refresh()

    def maybe_refresh(self, name: str | None = None) -> None:
        """Read what was written since the last time, unless all is read or nobody wants it now."""
        if not self.loaded_all_steps and self.dynamic_refresh:
            self.refresh_data()
            self.loaded_all_steps = self.log.ended

    refresh_tensor = maybe_refresh

    # tensors

    def tensor_names(
        self,
        show_prefixed_tensors: bool = False,
        *,
        step: int | None = None,
        mode: ModeKeys = ModeKeys.GLOBAL,
        regex: str | list[str] | None = None,
        collection: str | Collection | None = None,
    ) -> list[str]:
        """The names of the tensors, sorted: of a step, of a mode, matching expressions or in a collection."""
        if regex is not None and collection is not None:
            raise ValueError("Only one of `regex` or `collection` can be passed to this method")
        self.maybe_refresh()
        with spoken_as_smdebug():
            names = self._names(step, mode)
            if collection is not None:
                named = collection if isinstance(collection, Collection) else self.collection(collection)
                group = named.saved(Windows())
                names = [name for name in names if group.matches(name)]
            if regex is not None:
                matching = set(self.log.names(regex))
                names = [name for name in names if name in matching]
        if not names and (regex is not None or collection is not None):
            self.logger.warning("No tensors matching %s were saved", collection if regex is None else regex)
        return names

    def _names(self, step: int | None, mode: ModeKeys) -> list[str]:
        names = self.log.names(mode=None if mode is ModeKeys.GLOBAL else mode, step=step)
        if self.range_steps is None:
            return names
        return [name for name in names if self.in_range(self.log.steps_of(name), ModeKeys.GLOBAL)]

    def tensor(self, tname: str) -> Tensor:
        """A tensor by name; raises `TensorUnavailable`."""
        if not self.has_tensor(tname):
            raise TensorUnavailable(tname)
        return Tensor(tname, self)

    def has_tensor(self, tname: str) -> bool:
        """True when a tensor, or a reduction of it, was saved under that name."""
        if not self.log.has(tname):
            self.maybe_refresh(tname)
        return self.log.has(tname)

    def inputs(self, step: int, mode: ModeKeys = ModeKeys.GLOBAL) -> list[Any]:
        """The values at a step of the collection `inputs`, in the order of their numbers."""
        return self._numbered(self.tensor_names(step=step, mode=mode, collection=CollectionKeys.INPUTS), step, mode)

    def labels(self, step: int, mode: ModeKeys = ModeKeys.GLOBAL) -> list[Any]:
        """The values at a step of the tensors called labels."""
        return self._numbered(self.tensor_names(step=step, mode=mode, regex="labels*"), step, mode)

    def predictions(self, step: int, mode: ModeKeys = ModeKeys.GLOBAL) -> list[Any]:
        """The values at a step of the tensors called predictions."""
        return self._numbered(self.tensor_names(step=step, mode=mode, regex="predictions*"), step, mode)

    def _numbered(self, names: Iterable[str], step: int, mode: ModeKeys) -> list[Any]:
        return [self.tensor(name).value(step, mode) for name in sorted(names, key=name_order)]

    # steps

    def in_range(self, steps: Iterable[int], mode: ModeKeys) -> list[int]:
        """Those of `steps` that this trial looks at."""
        if self.range_steps is None:
            return list(steps)
        begin, end = self.range_steps
        globally = ((step, self.log.global_step(mode, step)) for step in steps)
        return [step for step, at in globally if at is not None and at >= (begin or 0) and (end is None or at < end)]

    def steps(self, mode: ModeKeys = ModeKeys.GLOBAL, show_incomplete_steps: bool = False) -> list[int]:
        """The steps of a mode, ascending: those that all workers wrote, unless all are asked for."""
        self.maybe_refresh()
        return self.in_range(self.log.steps(mode, complete=not show_incomplete_steps), mode)

    def global_step(self, mode: ModeKeys, mode_step: int) -> int | None:
        """The global step of a step of a mode; None when it was not saved."""
        if mode is ModeKeys.GLOBAL:
            return mode_step
        if self.log.global_step(mode, mode_step) is None:
            self.maybe_refresh()
        return self.log.global_step(mode, mode_step)

    def mode_modestep(self, global_step: int) -> tuple[ModeKeys | None, int | None]:
        """The mode of a global step and its number there; (None, None) when it was not saved."""
        if self.log.global_step(ModeKeys.GLOBAL, global_step) is None:
            self.maybe_refresh()
        if self.log.global_step(ModeKeys.GLOBAL, global_step) is None:
            return None, None
        return self.log.mode_step(global_step)

    def mode(self, global_step: int) -> ModeKeys | None:
        """The mode of a global step."""
        return self.mode_modestep(global_step)[0]

    def mode_step(self, global_step: int) -> int | None:
        """The number that a global step has in its mode."""
        return self.mode_modestep(global_step)[1]

    def has_passed_step(self, step: int, mode: ModeKeys = ModeKeys.GLOBAL) -> StepState:
        """Whether a step is there (written by all workers, or as complete as it will get), may come, or will not."""
        steps = self.steps(mode, show_incomplete_steps=True)
        place = bisect_left(steps, step)
        if place == len(steps):
            return StepState.UNAVAILABLE if self.loaded_all_steps else StepState.NOT_YET_AVAILABLE
        at = self.log.global_step(mode, steps[place])
        is_settled = at is not None and (self.loaded_all_steps or at <= self.last_complete_step)
        if not is_settled:
            return StepState.NOT_YET_AVAILABLE
        return StepState.AVAILABLE if steps[place] == step else StepState.UNAVAILABLE

    def wait_for_steps(self, required_steps: Iterable[int], mode: ModeKeys = ModeKeys.GLOBAL) -> None:
        """Wait for each of the steps. Raises `StepUnavailable`, or `NoMoreData` when the training is over."""
        with refresh(self):
            for step in required_steps:
                while (state := self.has_passed_step(step, mode)) is not StepState.AVAILABLE:
                    if state is StepState.UNAVAILABLE:
                        last = max(self.steps(mode, show_incomplete_steps=True), default=-1)
                        if self.loaded_all_steps and step >= last:
                            raise NoMoreData(step, mode, last)
                        raise StepUnavailable(step, mode)
                    time.sleep(POLL_SECONDS)

    def __hash__(self) -> int:
        return hash((self.name, self.path))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trial) and (self.name, self.path) == (other.name, other.path)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__module__}.{type(self).__name__} object at {hex(id(self))}>:(\n    name={self.name},\n"
            f"    path={self.path},\n    steps={self.steps()},\n    collections={list(self.collections())},\n"
            f"    tensor_names={self.tensor_names()},\n)"
        )
