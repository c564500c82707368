"""How the debugger gets into a process: by one variable of its environment.

    TINTYPE_DEBUGGER_CONFIG=/opt/ml/input/config/debughookconfig.json       or the JSON itself

The engine calls `start_from_environment` in a trainer that it forks. For one that it executes it puts `site_folder()`
on PYTHONPATH, where Python finds a `sitecustomize` that does the same. Without the variable nothing happens; with it,
nothing is imported until the script imports torch.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from tintype.after_import import after_import

VARIABLE = "TINTYPE_DEBUGGER_CONFIG"

logger = logging.getLogger(__name__)


def start_from_environment(environ: Mapping[str, str]) -> bool:
    """Watch what this process trains, if `environ` asks for it; True when it does.

    Never raises: a debugger that cannot start says so in the log, and the script runs without it.
    """
    given = environ.get(VARIABLE, "").strip()
    if not given:
        return False
    after_import("torch", lambda: _install(given))
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
