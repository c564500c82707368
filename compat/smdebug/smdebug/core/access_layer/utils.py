"""Whether a training has ended."""

from __future__ import annotations

from tintype.debugger.layout import END_MARKER
from tintype.debugger.log_location import log_files


def has_training_ended(trial_prefix: str) -> bool:
    """True when a training said that nothing more will come."""
    return log_files(trial_prefix).exists(END_MARKER)


def training_has_ended(trial_prefix: str) -> None:
    """Say that nothing more will come."""
    log_files(trial_prefix).write(END_MARKER, [b""])
