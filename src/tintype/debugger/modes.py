"""What a training does while a step is saved."""

from __future__ import annotations

from enum import Enum


class Mode(Enum):
    """The mode of a step. The numbers are those of smdebug's files.

    `GLOBAL` is the mode of a step for which nobody set one; as an argument of a question it means
    "count in global steps", which run through all the modes.
    """

    TRAIN = 1
    EVAL = 2
    PREDICT = 3
    GLOBAL = 4
