"""The engine's processes live as long as the server: only its first job waits until torch is loaded."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event, Thread

from tintype.errors import TintypeError
from tintype.web.context import Context
from tintype.web.patience import PATIENCE_SECONDS
from tintype.workspace import Workspace

LOOK_SECONDS = 0.5              # at whether the server goes on
RETRY_SECONDS = 30.0            # after the engine could not be started

log = logging.getLogger(__name__)


@asynccontextmanager
async def engine_at_hand(context: Context) -> AsyncIterator[None]:
    """Be a client of the engine meanwhile. It leaves when its last client does, and takes what it has loaded along.

    A lifespan of the application. An engine that is killed is started again, and finds its jobs in the records.
    """
    leaving = Event()
    thread = Thread(target=_attend, args=(context.workspace, leaving), name="engine", daemon=True)
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join()


def tell_engine(workspace: Workspace) -> None:
    """Have the engine see what was written down. It is not waited for long: not told, it sees it at its next look."""
    thread = Thread(target=_tell, args=(workspace,), name="tell-engine", daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)


def _tell(workspace: Workspace) -> None:
    try:
        with workspace.engine() as engine:
            engine.settle()
    except TintypeError as error:
        log.warning("the engine could not be told of a change: %s", error)


def _attend(workspace: Workspace, leaving: Event) -> None:
    while not leaving.is_set():
        try:
            with workspace.engine() as engine:
                while not leaving.is_set():
                    engine.pause(LOOK_SECONDS)
        except TintypeError as error:
            log.warning("the engine is not at hand: %s", error)
            leaving.wait(RETRY_SECONDS)
