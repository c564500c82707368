"""Collections of a hook for PyTorch, which also hold modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch.nn import Module

from smdebug.core.collection import Collection as AnyCollection
from smdebug.core.collection import CollectionKeys
from smdebug.core.collection_manager import CollectionManager as AnyCollectionManager
from tintype.debugger.collection import BUILT_IN
from tintype.debugger.collection import Collection as Saved
from tintype.debugger.save_config import SaveConfig as Windows

__all__ = ["Collection", "CollectionKeys", "CollectionManager"]


class Collection(AnyCollection):
    """A group of tensors: by expression, by name, by the module that takes or gives them."""

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(*values, **named)
        self.modules: dict[Module, tuple[bool, bool]] = {}

    def add_module_tensors(self, module: Module, inputs: bool = False, outputs: bool = True) -> None:
        """Add what goes into a module, what comes out, or both."""
        self.modules[module] = (inputs, outputs)

    def saved_of(self, names: Mapping[Module, str], default: Windows) -> Saved:
        """As Tintype has it; `names` are the modules of the network that is watched."""
        saved = self.saved(default)
        expressions = [
            f"^{re.escape(names[module])}_{end}_\\d+$"
            for module, wanted in self.modules.items()
            for end, is_wanted in zip(("input", "output"), wanted, strict=True)
            if is_wanted and module in names
        ]
        return replace(saved, include_regex=(*saved.include_regex, *expressions))


class CollectionManager(AnyCollectionManager):
    """The collections of a hook; those that every PyTorch hook has are there from the start."""

    def __init__(self, create_default: bool = True) -> None:
        super().__init__()
        for one in BUILT_IN.values() if create_default else ():
            self.add(Collection(one.name, list(one.include_regex)))

    def create_collection(self, name: str, cls: type[AnyCollection] = Collection) -> None:
        """Make an empty collection, unless there is one of that name."""
        super().create_collection(name, cls)
