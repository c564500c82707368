"""The process that coordinates one tuning job: `python -m tintype.pipeline.coordinator --home HOME NAME`.

It holds the lease of the tuning job, and is the only one that writes it. SIGTERM and SIGINT stop the trials in good
order, as does the wish to stop that others leave in the store. Killed, it leaves the trials running; the next
coordinator takes them up.
"""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
from collections.abc import Callable
from typing import final

from tintype.errors import Conflict
from tintype.jobs import shared_inputs
from tintype.jobs.instances import Machine
from tintype.pipeline import decoding_ahead
from tintype.pipeline.coordination import is_stop_requested
from tintype.pipeline.engine_trials import EngineTrials, TrialEngine
from tintype.pipeline.own_process import run_as_process
from tintype.pipeline.trial_specs import room, spec_builder
from tintype.pipeline.tuning_plan import load_plan
from tintype.records import Lease, LeaseWatch, Owner, Records, is_known_dead
from tintype.tuning.store import TUNING_KIND, RecordTuningStore
from tintype.tuning.tuner import Tuner
from tintype.workspace import Workspace

TTL_SECONDS = 30.0              # a holder on another machine that was silent so long is taken for dead
RENEW_SECONDS = 2.0
STOP_SECONDS = 0.3              # between two looks for a wish to stop
WATCH_SECONDS = 0.5


@final
class Pulse:
    """What the coordinator does again and again beside its work: live, and look whether it should stop."""

    def __init__(self, records: Records, lease: Lease, timer: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._lease = lease
        self._timer = timer
        self._renewed_at = timer()
        self._looked_at = -math.inf         # somebody may have wished it before this process was there
        self.on_stop: Callable[[], None] = lambda: None

    def beat(self) -> None:
        """Renew the lease and heed a wish to stop, each when it is time. `LeaseLost` when another coordinates."""
        now = self._timer()
        if now - self._renewed_at >= RENEW_SECONDS:
            self._records.renew(self._lease)
            self._renewed_at = now
        if now - self._looked_at >= STOP_SECONDS:
            self._looked_at = now
            if is_stop_requested(self._records, self._lease.name):
                self.on_stop()


def coordinate(workspace: Workspace, engine: TrialEngine, name: str) -> None:
    """Run the tuning job to its end, or until it is asked to stop. `Conflict` when another coordinates it."""
    records = workspace.records
    plan = load_plan(records, name)
    lease = take_lease(records, name, Owner.of())
    decoding_ahead.begin(plan)
    pulse = Pulse(records, lease)
    runner = EngineTrials(
        engine, records, name, spec_builder(workspace, plan), room(plan, Machine.here()), pulse.beat
    )
    tuner = Tuner(plan.settings, runner, RecordTuningStore(records, lease), time.time)
    pulse.on_stop = tuner.stop
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: tuner.stop())
    try:
        pulse.beat()
        tuner.run()
    finally:
        shared_inputs.forget(workspace.home, name)
        records.release(lease)


def take_lease(records: Records, name: str, here: Owner, timer: Callable[[], float] = time.monotonic) -> Lease:
    """Become the coordinator: by the lease that whoever started this process took for it, or by one of its own.

    `Conflict` when another is alive; one on another machine is watched a while.
    """
    while (holder := records.holder(TUNING_KIND, name)) is None or is_known_dead(holder.owner, here):
        with contextlib.suppress(Conflict):         # somebody took it just now, perhaps for this process
            return records.lease(TUNING_KIND, name, here, over=holder)
    if holder.owner == here:
        return holder
    if holder.owner.host == here.host:
        raise Conflict(f"tuning job {name!r} is coordinated by process {holder.owner.pid}")
    watch = LeaseWatch(TTL_SECONDS, here, timer)
    while not watch.is_lost(holder):
        time.sleep(WATCH_SECONDS)
        seen = records.holder(TUNING_KIND, name)
        if seen is not None and (seen.token, seen.renewals) != (holder.token, holder.renewals):
            raise Conflict(f"tuning job {name!r} is coordinated by process {seen.owner.pid} on {seen.owner.host}")
        if seen is None:
            break
    return records.lease(TUNING_KIND, name, here, over=holder)


def main(arguments: list[str]) -> int:
    """The entry point: 0 when the tuning job has ended or was stopped in good order."""

    def work(workspace: Workspace, name: str) -> None:
        with workspace.engine() as engine:
            coordinate(workspace, engine, name)

    return run_as_process("tintype.pipeline.coordinator", arguments, work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
