"""The one hook of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smdebug.pytorch.hook import Hook

_hook: Hook | None = None


def set_hook(custom_hook: Hook) -> None:
    """Make a hook the one of this process."""
    global _hook
    _hook = custom_hook


def del_hook() -> None:
    """Forget the hook of this process; what it has to write is written."""
    global _hook
    if _hook is not None:
        _hook.close()
    _hook = None


def get_hook(json_config_path: str | None = None, create_if_not_exists: bool = False) -> Any:
    """The hook of this process, or None. With `create_if_not_exists` one is made from its JSON, if that is there."""
    if _hook is None and create_if_not_exists:
        from smdebug.pytorch.hook import Hook

        try:
            set_hook(Hook.create_from_json_file(json_config_path))
        except FileNotFoundError:
            return None
    return _hook
