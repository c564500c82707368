"""Small things that scripts import from here."""

from __future__ import annotations

TRUE = ("y", "yes", "t", "true", "on", "1")
FALSE = ("n", "no", "f", "false", "off", "0")


def str2bool(v: str | bool) -> bool:
    """A flag from how people spell it on a command line; `ValueError` for anything else."""
    if isinstance(v, bool):
        return v
    if v.lower() in TRUE:
        return True
    if v.lower() in FALSE:
        return False
    raise ValueError(f"invalid truth value {v!r}")
