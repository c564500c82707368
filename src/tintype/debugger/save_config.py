"""At which steps something is saved: a window for each mode.

The defaults (every 500th step of each mode) and the meaning of each number are smdebug's: the step that is tested
is the step of its *mode*, the interval counts from zero and not from `start`, and `end` is the first step that is
no longer saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tintype.debugger.modes import Mode
from tintype.errors import InvalidRequest

DEFAULT_INTERVAL = 500


@dataclass(frozen=True)
class SaveWindow:
    """The steps of one mode that are saved: each `interval`-th in [`start`, `end`), and all of `steps`."""

    interval: int = DEFAULT_INTERVAL
    start: int = 0
    end: int | None = None
    steps: tuple[int, ...] = ()
    _named: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise InvalidRequest(f"save_interval must be at least 1, got {self.interval}")
        if self.start < 0 or (self.end is not None and self.end < 0) or any(step < 0 for step in self.steps):
            raise InvalidRequest(f"steps are counted from 0, got {self}")
        object.__setattr__(self, "_named", frozenset(self.steps))      # a training asks at every step

    def saves(self, step: int) -> bool:
        """True when the `step`-th step of the mode (from 0) is to be saved."""
        if step in self._named:
            return True
        return step % self.interval == 0 and step >= self.start and (self.end is None or step < self.end)

    def to_json(self) -> dict[str, Any]:
        """The window as smdebug's collections file has it."""
        return {
            "save_interval": self.interval,
            "save_steps": list(self.steps),
            "start_step": self.start,
            "end_step": self.end,
        }

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> SaveWindow:
        """Read what `to_json` or smdebug wrote; a missing key has its default."""
        end = document.get("end_step")
        return SaveWindow(
            interval=int(document.get("save_interval") or DEFAULT_INTERVAL),
            start=int(document.get("start_step") or 0),
            end=None if end is None else int(end),
            steps=tuple(int(step) for step in document.get("save_steps") or ()),
        )


@dataclass(frozen=True)
class SaveConfig:
    """One window for each mode."""

    train: SaveWindow = SaveWindow()
    eval: SaveWindow = SaveWindow()
    predict: SaveWindow = SaveWindow()
    global_: SaveWindow = SaveWindow()

    @staticmethod
    def same(window: SaveWindow) -> SaveConfig:
        """`window` in every mode."""
        return SaveConfig(window, window, window, window)

    @staticmethod
    def every(interval: int) -> SaveConfig:
        """Each `interval`-th step of every mode."""
        return SaveConfig.same(SaveWindow(interval))

    @staticmethod
    def of(windows: Mapping[Mode, SaveWindow]) -> SaveConfig:
        """The windows by mode; a missing mode has the default window."""
        return SaveConfig(*(windows.get(mode, SaveWindow()) for mode in Mode))

    def window(self, mode: Mode) -> SaveWindow:
        """The window of one mode."""
        match mode:
            case Mode.TRAIN:
                return self.train
            case Mode.EVAL:
                return self.eval
            case Mode.PREDICT:
                return self.predict
            case Mode.GLOBAL:
                return self.global_

    def saves(self, mode: Mode, mode_step: int) -> bool:
        """True when step number `mode_step` of `mode` is to be saved."""
        return self.window(mode).saves(mode_step)

    def to_json(self) -> dict[str, Any]:
        """As smdebug's collections file has it: a window by the name of each mode."""
        return {mode.name: self.window(mode).to_json() for mode in Mode}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> SaveConfig:
        """Read what `to_json` or smdebug wrote; modes that are missing or null have the default window."""
        return SaveConfig.of({mode: SaveWindow.from_json(document.get(mode.name) or {}) for mode in Mode})
