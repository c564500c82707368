"""How long an operation keeps its client waiting for what may take long on a busy machine.

botocore gives up after a minute, asks again, and then reads that the name is taken. So what was asked for is written
down, and what is to be done about it goes on by itself when it takes longer than this.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

PATIENCE_SECONDS = 5.0

log = logging.getLogger(__name__)


def set_going(what: str, work: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Do `work`, and wait for it so long. What it raises by then is raised here; what it raises later is logged.

    A server that ends waits for it.
    """
    raised: list[BaseException] = []
    is_late = threading.Event()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)
            if is_late.is_set():
                log.error("%s, after its client had left it to that: %s", what, error)

    thread = threading.Thread(target=run, name=what)
    thread.start()
    thread.join(seconds)
    is_late.set()
    if raised:
        raise raised[0]
