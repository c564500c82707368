"""A warm process that runs one job after another, so that a trial pays for no imports.

It reads one JSON object per line on its input: a training plan, {"stop": name} to end the running job after its epoch,
or an errand. It writes events. End of the input means: whoever started us is gone or done, so stop and exit.
A job that was interrupted and is given again goes on from its last checkpoint.
"""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterable
from queue import SimpleQueue
from typing import Any, final

import timm
import torch

from tintype.errors import TintypeError
from tintype.training.distributed import ALONE
from tintype.training.errands import run_errand
from tintype.training.events import Answer, End, Outcome, Ready
from tintype.training.phases import Emit
from tintype.training.plan import parse_plan
from tintype.training.run import run_job, tidy_up
from tintype.training.session import Host
from tintype.training.shelf import Shelf
from tintype.training.stop import Patience, Stop


@final
class Worker:
    """Takes messages on one thread and runs jobs on another, which is the one that calls `serve`."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._plans: SimpleQueue[Any] = SimpleQueue()       # None: exit. Signal handlers may use a SimpleQueue
        self._shelf = Shelf()
        self._stop = Stop()
        self._job = ""
        self._unwanted: set[str] = set()                    # stopped before they began

    def serve(self, lines: Iterable[str]) -> None:
        """Run the jobs of `lines` until they end."""
        gc.collect()
        gc.freeze()             # what is imported stays; collecting after each job need not look at it, for 0.3 s
        self._emit(Ready({"torch": torch.__version__, "timm": timm.__version__}))
        threading.Thread(target=self._read, args=(lines,), name="messages", daemon=True).start()
        while (document := self._plans.get()) is not None:
            self._run(document)
        gc.unfreeze()           # libraries that look for leaks at the exit would find some

    def leave(self) -> None:
        """End the running job at its next step, and take no more. Safe in a signal handler."""
        self._stop.ask(Patience.AFTER_STEP)
        self._plans.put(None)

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line.strip():
                self._take(line)
        self.leave()

    def _take(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            message = line                                  # no plan either, and the answer will say so
        name = message.get("stop") if isinstance(message, dict) else None
        if name is None:
            self._plans.put(message)
        elif name == self._job:
            self._stop.ask(Patience.AFTER_EPOCH)
        else:
            self._unwanted.add(name)

    def _run(self, document: Any) -> None:
        if isinstance(document, dict) and "errand" in document:
            self._run_errand(document)
            return
        try:
            plan = parse_plan(document)
        except TintypeError as error:
            name = document.get("name", "") if isinstance(document, dict) else ""
            self._emit(End(str(name), Outcome.FAILED, str(error)))
            return
        self._stop, self._job = Stop(), plan.name
        if plan.name in self._unwanted:
            self._unwanted.discard(plan.name)
            self._stop.ask(Patience.AFTER_EPOCH)
        run_job(plan, self._emit, resume=True, host=Host(ALONE, self._stop, self._shelf))
        tidy_up()
        self._job = ""

    def _run_errand(self, document: dict[str, Any]) -> None:
        name = str(document["errand"])
        try:
            self._emit(Answer(run_errand(document)))
            self._emit(End(name, Outcome.COMPLETED))
        except TintypeError as error:
            self._emit(End(name, Outcome.FAILED, str(error), type(error).__name__))
