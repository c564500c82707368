"""When something is saved: smdebug's names for Tintype's windows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from smdebug.core.modes import ModeKeys
from smdebug.exceptions import SMDebugTypeError, SMDebugValueError, spoken_as_smdebug
from tintype.debugger.save_config import DEFAULT_INTERVAL, SaveWindow
from tintype.debugger.save_config import SaveConfig as Windows

PARAMETERS = ("save_interval", "start_step", "end_step", "save_steps")


class SaveConfigMode:
    """The steps of one mode that are saved. Numbers may be spelt as strings."""

    def __init__(
        self,
        save_interval: int | str | None = None,
        start_step: int | str | None = None,
        end_step: int | str | None = None,
        save_steps: list[int] | None = None,
    ) -> None:
        self.save_interval = DEFAULT_INTERVAL if save_interval is None else int(save_interval)
        self.start_step = 0 if start_step is None else int(start_step)
        self.end_step = None if end_step is None else int(end_step)
        self.save_steps = [] if save_steps is None else save_steps
        if not isinstance(self.save_steps, list) or not all(isinstance(step, int) for step in self.save_steps):
            raise SMDebugValueError(f"save_steps={self.save_steps} must be type(list(int))")
        self.window()

    def window(self) -> SaveWindow:
        """As Tintype has it."""
        with spoken_as_smdebug():
            return SaveWindow(self.save_interval, self.start_step, self.end_step, tuple(self.save_steps))

    def should_save_step(self, step_num: int) -> bool:
        """True when that step of the mode is to be saved."""
        return self.window().saves(step_num)

    def to_json_dict(self) -> dict[str, Any]:
        """As it stands in the collections file."""
        return self.window().to_json()

    @classmethod
    def from_dict(
        cls, params: Mapping[str, Any] | None, default_values: Mapping[str, Any] | None = None
    ) -> SaveConfigMode | None:
        """Read what `to_json_dict` gave; what is missing is taken from `default_values`."""
        if params is None:
            return None
        if not isinstance(params, Mapping):
            raise SMDebugTypeError(f"params={params} is not a dict.")
        return cls(**{key: params.get(key, (default_values or {}).get(key)) for key in PARAMETERS})

    def __eq__(self, other: object) -> bool:
        return self.window() == other.window() if isinstance(other, SaveConfigMode) else NotImplemented

    __hash__ = None     # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"<class SaveConfig: save_interval={self.save_interval}, save_steps={self.save_steps}, "
            f"start_step={self.start_step}, end_step={self.end_step}>"
        )


class SaveConfig:
    """The steps of each mode that are saved: one window for all, or a dictionary with some; the others are open."""

    def __init__(
        self,
        mode_save_configs: dict[ModeKeys, SaveConfigMode | None] | None = None,
        save_interval: int | str | None = None,
        start_step: int | str | None = None,
        end_step: int | str | None = None,
        save_steps: list[int] | None = None,
    ) -> None:
        if mode_save_configs is None:
            given = (save_interval, start_step, end_step, save_steps)
            self.mode_save_configs = {mode: SaveConfigMode(*given) for mode in ModeKeys}
            return
        for mode, one in mode_save_configs.items():
            if not isinstance(mode, ModeKeys) or not (one is None or isinstance(one, SaveConfigMode)):
                raise SMDebugValueError(
                    f"Each key,value in mode_save_configs={mode_save_configs} must be of type ModeKey,SaveConfigMode"
                )
        self.mode_save_configs = {mode: mode_save_configs.get(mode) for mode in ModeKeys}

    def get_save_config(self, mode: ModeKeys) -> SaveConfigMode:
        """The window of a mode."""
        one = self.mode_save_configs[mode]
        if one is None:
            raise SMDebugValueError(f"SaveConfig={self} is not ready. Call SaveManager.prepare() first.")
        return one

    def set_save_config(self, mode: ModeKeys, save_config_mode: SaveConfigMode) -> None:
        """Give a mode its window."""
        if not isinstance(save_config_mode, SaveConfigMode):
            raise SMDebugValueError(f"save_config_mode={save_config_mode} must be type SaveConfigMode")
        self.mode_save_configs[mode] = save_config_mode

    def should_save_step(self, mode: ModeKeys, step_num: int) -> bool:
        """True when that step of the mode is to be saved."""
        return self.get_save_config(mode).should_save_step(step_num)

    def merge_default_save_config(self, default_save_config: SaveConfig) -> None:
        """Take the windows that are open from another one."""
        for mode, one in self.mode_save_configs.items():
            if one is None:
                self.mode_save_configs[mode] = default_save_config.mode_save_configs[mode] or SaveConfigMode()

    def windows(self, default: Windows) -> Windows:
        """As Tintype has it; what is open is taken from `default`."""
        return Windows.of(
            {mode: one.window() if one else default.window(mode) for mode, one in self.mode_save_configs.items()}
        )

    def to_json_dict(self) -> dict[str, Any]:
        """As it stands in the collections file."""
        return {mode.name: one.to_json_dict() if one else None for mode, one in self.mode_save_configs.items()}

    def to_json(self) -> str:
        """`to_json_dict` as a text."""
        return json.dumps(self.to_json_dict())

    @classmethod
    def from_dict(
        cls, params: Mapping[Any, Any] | None, default_values: Mapping[str, Any] | None = None
    ) -> SaveConfig | None:
        """Read windows by mode, or by its name, or as `to_json_dict` gave them."""
        if params is None:
            return None
        named = {ModeKeys[key] if isinstance(key, str) else key: value for key, value in params.items()}
        return cls(
            {
                mode: value if isinstance(value, SaveConfigMode) else SaveConfigMode.from_dict(value, default_values)
                for mode, value in named.items()
            }
        )

    @classmethod
    def from_json(cls, json_str: str) -> SaveConfig | None:
        """Read what `to_json` gave."""
        return cls.from_dict(json.loads(json_str))

    @classmethod
    def parse(cls, obj: Any) -> SaveConfig:
        """A configuration from whatever a hook takes for one."""
        if obj is None:
            return cls()
        if isinstance(obj, SaveConfig):
            return obj
        if isinstance(obj, SaveConfigMode):
            return cls(dict.fromkeys(ModeKeys, obj))
        if isinstance(obj, Mapping) and (parsed := cls.from_dict(obj)):
            return parsed
        raise SMDebugTypeError(f"obj={obj} cannot be parsed into a SaveConfig object")

    def __eq__(self, other: object) -> bool:
        return self.mode_save_configs == other.mode_save_configs if isinstance(other, SaveConfig) else NotImplemented

    __hash__ = None     # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<class SaveConfig: {self.mode_save_configs}>"
