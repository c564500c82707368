"""Modes under smdebug's name."""

from tintype.debugger.modes import Mode as ModeKeys

ALLOWED_MODES = list(ModeKeys)
ALLOWED_MODE_NAMES = [one.name for one in ModeKeys]

__all__ = ["ALLOWED_MODES", "ALLOWED_MODE_NAMES", "ModeKeys"]
