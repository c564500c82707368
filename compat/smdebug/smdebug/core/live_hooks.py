"""The hooks of this process by the place that they write to.

smdebug writes in the training's own thread, so that a trial of the same process sees a step as soon as it is over.
Ours writes in the background: whoever reads here first has what waits written.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakValueDictionary


class Flushable(Protocol):
    """Something that writes later what it was given."""

    def flush(self) -> None:
        """Write it now."""


_hooks: WeakValueDictionary[str, Flushable] = WeakValueDictionary()


def _key(path: str) -> str:
    return path.rstrip("/") if "://" in path else os.path.abspath(os.path.expanduser(path))


def announce_hook(path: str, hook: Flushable) -> None:
    """Say that a hook writes to a path."""
    _hooks[_key(path)] = hook


def flush_hook_of(path: str) -> None:
    """Have what waits for a path written, if a hook of this process writes there."""
    if (hook := _hooks.get(_key(path))) is not None:
        hook.flush()
