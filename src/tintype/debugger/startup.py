"""How the debugger gets into a process: by one variable of its environment.

    TINTYPE_DEBUGGER_CONFIG=/opt/ml/input/config/debughookconfig.json       or the JSON itself

The engine calls `start_from_environment` in a trainer that it forks. For one that it executes it puts `site_folder()`
on PYTHONPATH, where Python finds a `sitecustomize` that does the same. Without the variable nothing happens; with it,
nothing is imported until the script imports torch.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, final

VARIABLE = "TINTYPE_DEBUGGER_CONFIG"

logger = logging.getLogger(__name__)


def site_folder() -> Path:
    """The folder to put on the PYTHONPATH of a script that shall be watched."""
    return Path(__file__).parent / "site"


def start_from_environment(environ: Mapping[str, str]) -> bool:
    """Watch what this process trains, if `environ` asks for it; True when it does.

    Never raises: a debugger that cannot start says so in the log, and the script runs without it.
    """
    given = environ.get(VARIABLE, "").strip()
    if not given:
        return False
    if "torch" in sys.modules:
        _install(given)
    else:
        sys.meta_path.insert(0, _WaitForTorch(given))
    return True


def _install(given: str) -> None:
    try:
        from tintype.debugger.configuration import HookConfiguration
        from tintype.debugger.injection import install

        if given.startswith("{"):
            install(HookConfiguration.from_json(json.loads(given)))
        else:
            install(HookConfiguration.read(given))
    except Exception as error:
        logger.error("the debugger could not start: %s; the script runs without it", error, exc_info=error)


@final
class _WaitForTorch(MetaPathFinder):
    """Sees each import of the process until torch is imported, and then no more."""

    def __init__(self, given: str) -> None:
        self._given = given

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenInstall(spec.loader, self._given)
        return spec


@final
class _ThenInstall(Loader):
    """Loads torch as its own loader does, and installs the debugger behind it."""

    def __init__(self, loader: Loader, given: str) -> None:
        self._loader = loader
        self._given = given

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _install(self._given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
