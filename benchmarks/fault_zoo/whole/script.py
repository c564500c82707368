"""How a whole script becomes a training of the zoo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from torch import nn

from benchmarks.fault_zoo.images import Images
from benchmarks.fault_zoo.training import Loop, Training

Script = Callable[[], None]


def nothing() -> None:
    """What most scripts need before anybody watches."""


def broken(name: str, *rules: str, parameters: Mapping[str, str] | None = None) -> Callable[[Script], Training]:
    """Makes a training of a script with something wrong, which any of `rules` names."""
    return lambda script: _training(name, script, nothing, rules=rules, parameters=parameters or {})


def healthy(name: str, *, prepares: Callable[[], object] = nothing) -> Callable[[Script], Training]:
    """Makes a training of a script with nothing wrong. What it `prepares` is done before anybody watches."""
    return lambda script: _training(name, script, prepares)


def trainings(*modules: ModuleType) -> tuple[Training, ...]:
    """Those that the modules define, in order."""
    return tuple(one for module in modules for one in vars(module).values() if isinstance(one, Training))


def _training(name: str, script: Script, prepares: Callable[[], object], **more: Any) -> Training:
    def network(images: Images) -> nn.Module:
        prepares()
        return nn.Identity()

    def run(network: nn.Module, images: Images, loop: Loop) -> None:
        script()

    return Training(name, "its own", network, script=run, **more)
