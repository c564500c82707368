"""How the profiler gets into a process: by one variable of its environment, see `capture_settings`.

The engine puts `site_folder()` on PYTHONPATH, where Python finds a `sitecustomize` that calls `start_from_environment`.
Without the variable nothing happens; with it, nothing is loaded until the script imports torch.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from tintype.after_import import after_import
from tintype.errors import TintypeError
from tintype.profiler.capture_settings import OF_LOOP, CaptureSettings

logger = logging.getLogger(__name__)


def start_from_environment(environ: Mapping[str, str]) -> bool:
    """Profile what this process trains, if `environ` asks for it; True when it does. A loop that says its phases by
    itself (`own_spans`) is left to that: the debugger brings us into its process too, and torch has one profiler.

    Never raises: a profiler that cannot start says so in the log, and the script runs without it.
    """
    if environ.get(OF_LOOP):
        return False
    try:
        settings = CaptureSettings.from_environment(environ)
    except TintypeError as error:
        logger.error("%s; the script runs without the profiler", error)
        return False
    if settings is None:
        return False
    after_import("torch", lambda: _start(settings, environ))
    return True


def _start(settings: CaptureSettings, environ: Mapping[str, str]) -> None:
    try:
        from tintype.profiler.capture import start_capture

        start_capture(settings, environ)
    except Exception as error:
        logger.error("the profiler could not start: %s; the script runs without it", error, exc_info=error)
