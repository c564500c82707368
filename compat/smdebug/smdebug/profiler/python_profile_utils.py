"""The names by which the profiles of Python are asked for, and how their folders spell them."""

from __future__ import annotations

from enum import Enum, IntEnum


class PythonProfileModes(IntEnum):
    """What the training did."""

    TRAIN = 1
    EVAL = 2
    PREDICT = 3
    GLOBAL = 4
    PRE_STEP_ZERO = 5
    POST_HOOK_CLOSE = 6


class StepPhase(Enum):
    """Where in a step, or in the program, a profile begins and ends."""

    START = "start"
    STEP_START = "stepstart"
    FORWARD_PASS_END = "forwardpassend"
    STEP_END = "stepend"
    END = "end"


class PythonProfilerName(Enum):
    """Who took a profile."""

    CPROFILE = "cprofile"
    PYINSTRUMENT = "pyinstrument"


class cProfileTimer(Enum):
    """What a cProfile counts."""

    TOTAL_TIME = "total_time"
    CPU_TIME = "cpu_time"
    OFF_CPU_TIME = "off_cpu_time"
    DEFAULT = "default"


def str_to_python_profile_mode(mode_str: str) -> PythonProfileModes:
    """The mode that a folder calls `train`, `prestepzero`, ..."""
    for mode in PythonProfileModes:
        if python_profile_mode_to_str(mode) == mode_str:
            return mode
    raise ValueError(f"{mode_str!r} is no mode of a Python profile")


def python_profile_mode_to_str(mode: PythonProfileModes) -> str:
    """How folders spell a mode."""
    return mode.name.lower().replace("_", "")
