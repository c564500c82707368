"""A hook on a root module that its owner never meets.

PyTorch keeps the hooks of a module in the module. So a saved module (`torch.save`), a copy (`copy.deepcopy`, which
averaging of weights makes) and a scripted one (`torch.jit.script`) carry the hooks of whoever watched it, and fail
without them. Here the module's dictionary of hooks is one that shows ours when the module is called, and at no other
time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import count
from typing import Any, Literal, final

from torch.nn import Module

Hook = Callable[..., Any]
Slot = Literal["_forward_pre_hooks", "_forward_hooks"]


class HookDictionary(OrderedDict[int, Hook]):
    """The hooks of a module, `theirs`, and hidden ones in its own storage: called, and not pickled, copied or scripted.

    Whatever is done to it is done to `theirs`, the dictionary that was there before: handles that others got from it
    go on working.
    """

    def __init__(self, theirs: OrderedDict[int, Hook]) -> None:
        super().__init__()
        self.theirs = theirs

    def hide(self, key: int, hook: Hook) -> None:
        """Add a hook that only a call of the module sees."""
        super().__setitem__(key, hook)

    def reveal(self, key: int) -> None:
        """Take a hidden hook away, if it is there."""
        if super().__contains__(key):
            super().__delitem__(key)

    def items(self) -> Any:
        """What a call of the module goes through: all hooks."""
        return [*self.theirs.items(), *super().items()]

    def __len__(self) -> int:
        return len(self.theirs) + super().__len__()

    def __iter__(self) -> Iterator[int]:
        return iter(self.theirs)

    def __contains__(self, key: object) -> bool:
        return key in self.theirs

    def __getitem__(self, key: int) -> Hook:
        return self.theirs[key]

    def __setitem__(self, key: int, hook: Hook) -> None:
        self.theirs[key] = hook

    def __delitem__(self, key: int) -> None:
        del self.theirs[key]

    def keys(self) -> Any:
        """Of the hooks of others."""
        return self.theirs.keys()

    def values(self) -> Any:
        """The hooks of others: TorchScript compiles these."""
        return self.theirs.values()

    def clear(self) -> None:
        """Remove the hooks of others."""
        self.theirs.clear()

    def move_to_end(self, key: int, last: bool = True) -> None:
        """As of `theirs`: how a hook is put before the others."""
        self.theirs.move_to_end(key, last=last)

    def copy(self) -> Any:
        """A plain copy, without the hidden ones."""
        return self.theirs.copy()

    __copy__ = copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        return OrderedDict, (), None, None, iter(self.theirs.items())

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return deepcopy(self.theirs, memo)


_KEYS = count(-1, -1)       # PyTorch counts from 0 up


@final
class HiddenHook:
    """A hook of a module, hidden, until `remove`."""

    def __init__(self, module: Module, slot: Slot, hook: Hook) -> None:
        present = getattr(module, slot)
        if not isinstance(present, HookDictionary):
            present = HookDictionary(present)
            module.__dict__[slot] = present
        self._dictionary = present
        self._key = next(_KEYS)
        present.hide(self._key, hook)

    def remove(self) -> None:
        """Take the hook away. The second time does nothing."""
        self._dictionary.reveal(self._key)
