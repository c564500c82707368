"""A hook on a module that its owner never meets.

PyTorch keeps the hooks of a module in the module. So a saved module (`torch.save`), a copy (`copy.deepcopy`, which
averaging of weights makes) and a scripted one (`torch.jit.script`) carry the hooks of whoever watched it, and fail
without them. Here the module's dictionary of hooks is one that shows ours when the module is called, and at no other
time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from itertools import count
from typing import Any, Literal, final

from torch.nn import Module

Hook = Callable[..., Any]
Slot = Literal["_forward_pre_hooks", "_forward_hooks"]


class HookDictionary(OrderedDict[int, Hook]):
    """The hooks of a module with hidden ones among them: called, and not pickled, copied or scripted.

    `theirs` is the dictionary that was there before, without the hidden ones: handles that others got from it go on
    working, and whatever is done to this one is done to it too.
    """

    def __init__(self, theirs: OrderedDict[int, Hook]) -> None:
        super().__init__(theirs)
        self.theirs = theirs
        self.hidden: set[int] = set()

    def hide(self, key: int, hook: Hook) -> None:
        """Add a hook that only a call of the module sees."""
        self.hidden.add(key)
        super().__setitem__(key, hook)

    def reveal(self, key: int) -> None:
        """Take a hidden hook away, if it is there."""
        if key in self.hidden:
            self.hidden.remove(key)
            super().__delitem__(key)

    def items(self) -> Any:
        """What a call of the module goes through: all hooks."""
        if len(self) != len(self.theirs) + len(self.hidden):        # one was removed by a handle from before
            for key in [key for key in self if key not in self.theirs and key not in self.hidden]:
                super().__delitem__(key)
        return super().items()

    def values(self) -> Any:
        """The hooks of others: TorchScript compiles these."""
        return self.theirs.values()

    def __setitem__(self, key: int, hook: Hook) -> None:
        super().__setitem__(key, hook)
        if "theirs" in self.__dict__:                               # not while it is being made
            self.theirs[key] = hook

    def __delitem__(self, key: int) -> None:
        super().__delitem__(key)
        self.theirs.pop(key, None)

    def clear(self) -> None:
        """Remove the hooks of others."""
        for key in list(self.theirs):
            del self[key]

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
    """A hook of a module, hidden, until `remove`. With `always` a forward hook is called after an exception, too."""

    def __init__(self, module: Module, slot: Slot, hook: Hook, *, always: bool = False) -> None:
        present = getattr(module, slot)
        if not isinstance(present, HookDictionary):
            present = HookDictionary(present)
            module.__dict__[slot] = present
        self._dictionary = present
        self._key = next(_KEYS)
        present.hide(self._key, hook)
        self._always = module._forward_hooks_always_called if always else {}
        if always:
            self._always[self._key] = True

    def remove(self) -> None:
        """Take the hook away. The second time does nothing."""
        self._dictionary.reveal(self._key)
        self._always.pop(self._key, None)
