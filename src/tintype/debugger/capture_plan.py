"""Which tensors of a step are saved, and what of each: the hook's configuration made quick to ask.

A step asks once which collections are due. A tensor's name is matched against their expressions the first time that it
is seen with those collections, and looked up after that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, final

from tintype.debugger.collection import BUILT_IN, Collection
from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import Reductions
from tintype.debugger.save_config import SaveWindow

EVERYTHING = ".*"
WHOLE = Reductions(keep_raw=True)
SAMPLES = "samples"                 # the collection with what is known of the samples of a step
OPTIMISER = "optimizer_variables"   # smdebug's name
LEARNING_RATES = "learning_rates"   # ours, one number for each parameter group
BROAD = frozenset({"all", "default", SAMPLES, LEARNING_RATES, OPTIMISER, *BUILT_IN})   # never mean a module's buffers
PROBED = range(4)                   # how many inputs and outputs of a module are tried before it is left alone


class Treatment(NamedTuple):
    """What is kept of a tensor."""

    reductions: tuple[tuple[str, bool], ...]        # (op, absolute)
    raw: bool
    shape: bool


@final
@dataclass(eq=False)
class DueCollections:
    """The collections that are due at a step, and what they make of each tensor."""

    collections: tuple[Collection, ...]
    members: dict[str, set[str]]                                # of each collection; shared by all of the plan
    _treatments: dict[str, Treatment | None] = field(default_factory=dict)
    _wanted: dict[str, bool] = field(default_factory=dict)
    _modules: dict[tuple[str, ...], bool] = field(default_factory=dict)

    def treatment(self, tensor: str, aliases: Iterable[str] = ()) -> Treatment | None:
        """What to keep of `tensor`, which also answers to `aliases`; None to leave it."""
        if tensor in self._treatments:
            return self._treatments[tensor]
        names = (tensor, *aliases)
        holders = [one for one in self.collections if any(one.matches(name) for name in names)]
        for one in holders:
            self.members[one.name].add(tensor)
        result = _treatment(holders)
        self._treatments[tensor] = result
        return result

    def wants(self, tensor: str) -> bool:
        """Whether a tensor of that name would be saved, without counting it as a member."""
        if tensor not in self._wanted:
            self._wanted[tensor] = any(one.matches(tensor) for one in self.collections)
        return self._wanted[tensor]

    def wants_of_module(self, path: str, aliases: Iterable[str] = ()) -> bool:
        """Whether any input or output of the module at `path` would be saved."""
        paths = (path, *aliases)
        if paths not in self._modules:
            tried = (f"{one}_{end}_{number}" for one in paths for end in ("input", "output") for number in PROBED)
            self._modules[paths] = any(self.wants(name) for name in tried)
        return self._modules[paths]

    def has(self, name: str) -> bool:
        """Whether the collection of that name is due."""
        return any(one.name == name for one in self.collections)

    @property
    def beyond_losses(self) -> bool:
        """Whether more is due than what comes with every loss."""
        return any(one.name not in ("losses", SAMPLES, LEARNING_RATES) for one in self.collections)


def _treatment(holders: list[Collection]) -> Treatment | None:
    if not holders:
        return None
    if any(one.is_scalar for one in holders):
        return Treatment((), raw=True, shape=False)
    kept = Reductions()
    for one in holders:
        kept = kept | (one.reductions or WHOLE)
    return Treatment(tuple(kept.each()), kept.keep_raw, kept.keep_shape)


@final
class CapturePlan:
    """The collections of a hook. They may change between steps.

    With `extras` the learning rates and what is known of the samples are kept whenever losses are.
    """

    def __init__(self, configuration: HookConfiguration, *, extras: bool = False) -> None:
        self._base = configuration
        self.collections: dict[str, Collection] = {}
        self.members: dict[str, set[str]] = {}
        self._windows: dict[Mode, list[tuple[SaveWindow, list[str]]]] = {}      # each once, with its collections
        self._due: dict[tuple[Mode, tuple[bool, ...]], DueCollections] = {}
        for one in _asked_for(configuration):
            self.add(one)
        for name, expression in ((SAMPLES, "^samples/"), (LEARNING_RATES, "^optimizer/lr/")) if extras else ():
            if name not in self.collections:
                self.add(Collection(name, (expression,), save_config=self.collections["losses"].save_config))

    def add(self, collection: Collection) -> None:
        """Save a collection too, in the place of one of its name; what it leaves open is the hook's."""
        reductions = collection.reductions if collection.reductions is not None else self._base.reductions
        if collection.is_scalar or collection.name == SAMPLES:
            reductions = None
        save_config = collection.save_config or self._base.save_config
        if collection.name == OPTIMISER and not collection.include_regex:
            collection = replace(collection, include_regex=("^optimizer/",))
        self.collections[collection.name] = replace(collection, reductions=reductions, save_config=save_config)
        self.members.setdefault(collection.name, set())
        self._windows.clear()
        self._due.clear()

    def due(self, mode: Mode, mode_step: int) -> DueCollections | None:
        """The collections that are saved at a step; None when there are none."""
        windows = self._windows.get(mode)
        if windows is None:
            windows = self._windows[mode] = self._windows_of(mode)
        key = tuple([window.saves(mode_step) for window, _ in windows])
        if True not in key:
            return None
        if (mode, key) not in self._due:
            names = {name for saves, (_, named) in zip(key, windows, strict=True) if saves for name in named}
            chosen = tuple(one for name, one in self.collections.items() if name in names)
            self._due[mode, key] = DueCollections(chosen, self.members)
        return self._due[mode, key]

    def _windows_of(self, mode: Mode) -> list[tuple[SaveWindow, list[str]]]:
        found: dict[SaveWindow, list[str]] = {}
        for name, one in self.collections.items():
            found.setdefault((one.save_config or self._base.save_config).window(mode), []).append(name)
        return list(found.items())

    def is_due(self, collection: str, mode: Mode, mode_step: int) -> bool:
        """Whether one collection is saved at a step; one that nobody asked for has the windows of the hook."""
        known = self.collections.get(collection)
        config = (known.save_config if known else None) or self._base.save_config
        return config.saves(mode, mode_step)

    def add_member(self, collection: str, tensor: str) -> None:
        """Count a tensor to a collection whatever its expressions say."""
        if collection not in self.collections:
            self.add(BUILT_IN.get(collection, Collection(collection)))
        known = self.collections[collection]
        if tensor not in known.tensor_names:
            self.collections[collection] = replace(known, tensor_names=known.tensor_names | {tensor})
            self._due.clear()

    @property
    def member_count(self) -> int:
        """How many memberships have been seen: it changes when there are collections to be written again."""
        return sum(map(len, self.members.values())) + sum(len(one.tensor_names) for one in self.collections.values())

    def described(self) -> list[Collection]:
        """The collections for the log: the built-in ones and those that are saved, with the tensors seen in each."""
        every = {**BUILT_IN, **self.collections}
        return [replace(one, tensor_names=one.tensor_names | self.members.get(name, set()))
                for name, one in every.items()]  # fmt: skip

    def matched_nothing(self) -> list[Collection]:
        """The collections asked for by a person that no tensor belonged to."""
        ours = BROAD - ({"default"} if self._base.include_regex else set())
        asked = [one for one in self.collections.values() if not (one.is_scalar or one.for_rule or one.name in ours)]
        return [one for one in asked if not (self.members[one.name] or one.tensor_names)]


def _asked_for(configuration: HookConfiguration) -> list[Collection]:
    asked = list(configuration.collections)
    if configuration.save_all:
        asked.append(Collection("all", (EVERYTHING,)))
    if configuration.include_regex:
        asked.append(Collection("default", configuration.include_regex))
    if not any(one.name == "losses" for one in asked):
        asked.append(BUILT_IN["losses"])
    return asked
