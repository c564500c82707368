"""Named groups of tensors, and how each is saved.

The built-in groups, their expressions and the shape of the file are smdebug's. A tensor belongs to a collection when
one of its expressions is found anywhere in the tensor's name, or when it is named outright.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tintype.debugger.reductions import Reductions
from tintype.debugger.save_config import SaveConfig
from tintype.errors import InvalidRequest, not_found

SCALARS = frozenset({"losses", "metrics", "sm_metrics", "feature_importance", "average_shap"})   # never reduced


@dataclass(frozen=True)
class Collection:
    """A group of tensors. `reductions` None means whole tensors; `save_config` None means the hook's.

    `for_rule` is true when a rule asked for it, and no person.

    Raises `InvalidRequest` for an expression that does not compile.
    """

    name: str
    include_regex: tuple[str, ...] = ()
    tensor_names: frozenset[str] = frozenset()
    reductions: Reductions | None = None
    save_config: SaveConfig | None = None
    save_histogram: bool = True
    for_rule: bool = False

    def __post_init__(self) -> None:
        for expression in self.include_regex:
            try:
                re.compile(expression)
            except re.error as error:
                raise InvalidRequest(
                    f"collection {self.name!r}: include_regex {expression!r} is not a regular expression: {error}"
                ) from error

    @cached_property
    def _expressions(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(expression) for expression in self.include_regex)

    @property
    def is_scalar(self) -> bool:
        """True for collections of single numbers, such as losses, which are kept whole whatever is configured."""
        return self.name in SCALARS

    def matches(self, tensor: str) -> bool:
        """True when `tensor` belongs to this collection."""
        return tensor in self.tensor_names or any(expression.search(tensor) for expression in self._expressions)

    def to_json(self) -> dict[str, Any]:
        """As smdebug's collections file has it; reductions that only we know stand under a key that it skips."""
        return {
            "name": self.name,
            "include_regex": list(self.include_regex),
            "tensor_names": sorted(self.tensor_names),
            "reduction_config": _reductions_to_json(self.reductions),
            "save_config": self.save_config.to_json() if self.save_config else None,
            "save_histogram": self.save_histogram,
        }

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Collection:
        """Read what `to_json` or smdebug wrote."""
        reductions, save = document.get("reduction_config"), document.get("save_config")
        return Collection(
            name=str(document["name"]),
            include_regex=tuple(document.get("include_regex") or ()),
            tensor_names=frozenset(document.get("tensor_names") or ()),
            reductions=_reductions_from_json(reductions) if reductions else None,
            save_config=SaveConfig.from_json(save) if save else None,
            save_histogram=bool(document.get("save_histogram", True)),
        )


def _reductions_to_json(reductions: Reductions | None) -> dict[str, Any] | None:
    if reductions is None:
        return None
    document: dict[str, Any] = {
        "save_raw_tensor": reductions.keep_raw,
        "reductions": reductions.tokens(ours=False),      # smdebug refuses the file for a name it does not know
        "save_shape": reductions.keep_shape,
    }
    if ours := reductions.tokens(ours=True):
        document["tintype_reductions"] = ours
    return document


def _reductions_from_json(document: Mapping[str, Any]) -> Reductions:
    spelt = ",".join(str(document.get(key) or "") for key in ("reductions", "tintype_reductions"))
    return Reductions.parse(
        spelt, keep_raw=bool(document.get("save_raw_tensor")), keep_shape=bool(document.get("save_shape"))
    )


BUILT_IN: dict[str, Collection] = {
    one.name: one
    for one in (
        Collection("all"),                                              # ".*" once save_all is asked for
        Collection("default"),
        Collection("weights", ("^(?!gradient).*weight",)),
        Collection("biases", ("^(?!gradient).*bias",)),
        Collection("gradients", ("^gradient",)),
        Collection("losses", ("[Ll]oss_(?!input).*output",)),
    )
}

# What is meant by a name alone that smdebug gives no expression, so that nothing would be saved for it.
BY_NAME: dict[str, tuple[str, ...]] = {
    "relu_input": (".*relu_input",),
    "relu_output": (".*relu_output",),
    "inputs": (r"^(?!.*[Ll]oss_).*_input_\d+$",),
    "outputs": (r"^(?!.*[Ll]oss_).*_output_\d+$",),
    "layers": (r"^(?!.*[Ll]oss_).*_(input|output)_\d+$",),
}


@dataclass(frozen=True)
class CollectionSet(Mapping[str, Collection]):
    """Collections by name. A value: `adding` returns another set."""

    _collections: Mapping[str, Collection] = field(default_factory=lambda: dict(BUILT_IN))

    @staticmethod
    def of(collections: Iterable[Collection]) -> CollectionSet:
        """Exactly these collections, without the built-in ones."""
        return CollectionSet({one.name: one for one in collections})

    def __getitem__(self, name: str) -> Collection:
        return self._collections[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._collections)

    def __len__(self) -> int:
        return len(self._collections)

    def named(self, name: str) -> Collection:
        """The collection `name`; `NotFound` lists those that there are."""
        if name not in self._collections:
            raise not_found("collection", name, self._collections)
        return self._collections[name]

    def adding(self, *collections: Collection) -> CollectionSet:
        """This set with `collections` added, each in the place of one with its name."""
        return CollectionSet({**self._collections, **{one.name: one for one in collections}})

    def of_tensor(self, tensor: str) -> tuple[Collection, ...]:
        """The collections that `tensor` belongs to."""
        return tuple(one for one in self._collections.values() if one.matches(tensor))
