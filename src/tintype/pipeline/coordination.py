"""The coordinator of a tuning job, seen from outside: started, followed, asked to stop, found dead.

A coordinator is a process of its own (`coordinator.py`), so the command that started it may be killed or hang up. Who
holds the lease of the tuning job coordinates it. Whoever starts a coordinator takes the lease for it at once: a process
that imports for a minute, as the machine is busy, is on its way, and nobody has to wait for it to know that.
A tuning job in progress without a living holder reads as Stopped. Nobody but the coordinator writes the tuning job; a
wish to stop it is a record beside it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import replace
from typing import final

from tintype.errors import Conflict, JobFailed, NotFound, StorageFailed, not_found
from tintype.pipeline.tuning_plan import PLAN_KIND, TuningPlan, load_plan, save_plan
from tintype.pipeline.watching import Watcher
from tintype.records import Owner, Records, is_known_dead
from tintype.storage import storage_errors
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import TUNING_KIND, RecordTuningStore
from tintype.tuning.trial import TrialStatus
from tintype.workspace import Workspace

STOP_KIND = "tuning-stop"           # a wish to stop the tuning job of the name
POLL_SECONDS = 0.1
APPOINT_SECONDS = 10.0              # from the plan to the lease of its coordinator: before that nobody is called gone
TAIL_LINES = 5
UNDER_WAY = (TuningStatus.IN_PROGRESS, TuningStatus.STOPPING)
UNTIDY = "its coordinator is gone (killed, or the machine was restarted)"


@final
class Coordinator:
    """A coordinator that this process has started, as a child in a session of its own."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self.name = name
        self._workspace = workspace
        self._log = workspace.tuning_directory(name) / "coordinator.log"
        with storage_errors(self._log):
            self._log.parent.mkdir(parents=True, exist_ok=True)
            stream = self._log.open("ab")
        with stream:
            command = [sys.executable, "-m", "tintype.pipeline.coordinator", "--home", str(workspace.home), name]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
            )
        try:
            self._appoint()
        except BaseException:               # Ctrl-C
            self._process.kill()
            self._process.wait()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait(self) -> None:
        """Until the process has ended, however."""
        self._process.wait()

    def leave(self) -> None:
        """Follow it no more; it goes on."""
        threading.Thread(target=self.wait, daemon=True).start()     # while we live, somebody has to bury it

    def follow(self, watcher: Watcher) -> TuningState:
        """Tell the watcher until the coordinator has ended; return how the tuning job stands then.

        Ctrl-C asks it to stop its trials and waits on; the second Ctrl-C leaves it to that. `JobFailed` when the
        coordinator itself failed.
        """
        store = RecordTuningStore(self._workspace.records)
        asked, state = False, None
        while True:
            try:
                ended = self._has_ended()
                newer = store.find(self.name) if state is None else store.refreshed(state)
                if newer is not None and newer is not state:
                    watcher.trials(newer)
                state = newer
                if ended:
                    self._check_exit()
                    return tuning_state(self._workspace.records, self.name)
            except KeyboardInterrupt:
                if asked:
                    raise
                asked = True
                _wish_to_stop(self._workspace.records, self.name)       # it may not have begun, or have just ended
                watcher.warning("asked the trials to stop and waiting for them; Ctrl-C again leaves them to it")

    def _appoint(self) -> None:
        """Take the lease for the new process, which finds that it has it; else it takes it itself, or says who has."""
        records = self._workspace.records
        with contextlib.suppress(Conflict, StorageFailed):
            holder = records.holder(TUNING_KIND, self.name)
            if holder is None or is_known_dead(holder.owner, Owner.of()):
                records.lease(TUNING_KIND, self.name, Owner.of(self._process.pid), over=holder)

    def _has_ended(self) -> bool:
        try:
            self._process.wait(POLL_SECONDS)
            return True
        except subprocess.TimeoutExpired:
            return False

    def _check_exit(self) -> None:
        if not self._process.returncode:
            return
        with self._log.open(errors="replace") as stream:
            tail = [line.rstrip("\n") for line in deque(stream, maxlen=TAIL_LINES)]
        code = self._process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"failed: {tail[-1] if tail else f'exit code {code}'}"
        hint = f"`tintype tuning resume {self.name}` goes on"
        raise JobFailed(f"the coordinator of tuning job {self.name} {how}; {hint}", tail[:-1])


def is_taken(records: Records, name: str) -> bool:
    """Whether there is a tuning job of the name, even if its coordinator has not said a word yet."""
    return any(records.find(kind, name) is not None for kind in (PLAN_KIND, TUNING_KIND))


def refuse_taken(records: Records, name: str) -> None:
    """`Conflict` when there is a tuning job of the name."""
    if is_taken(records, name):
        hint = f"choose another name, or delete it first (tintype tuning delete {name})"
        raise Conflict(f"a tuning job named {name!r} is there already; {hint}")


def begin(workspace: Workspace, plan: TuningPlan) -> Coordinator:
    """Keep the plan and start its coordinator. `Conflict` when the name is taken; nothing is left when it raises."""
    refuse_taken(workspace.records, plan.name)
    save_plan(workspace.records, plan)
    try:
        return Coordinator(workspace, plan.name)
    except BaseException:
        workspace.records.delete(PLAN_KIND, plan.name)
        raise


def resume(workspace: Workspace, name: str) -> Coordinator:
    """Start a coordinator for a tuning job that was left. `Conflict` when it has ended or is looked after."""
    while (state := tuning_state(workspace.records, name)).status in UNDER_WAY and _is_unseen(workspace.records, name):
        time.sleep(POLL_SECONDS)        # its first coordinator is being started, or whoever did that was killed
    if state.status is not TuningStatus.STOPPED:
        reason = "it has ended" if state.is_finished else "it is under way; `tintype tuning stop` stops it"
        raise Conflict(f"tuning job {name!r} is {state.status.value}: {reason}")
    _forget_stop(workspace.records, name)
    return Coordinator(workspace, name)


def request_stop(records: Records, name: str) -> TuningState:
    """Ask a tuning job to stop; its trials are stopped. Asking twice is fine. `Conflict` when it does not run."""
    state = tuning_state(records, name)
    if state.status not in UNDER_WAY:
        raise Conflict(f"tuning job {name!r} is {state.status.value}; there is nothing to stop")
    _wish_to_stop(records, name)
    return replace(state, status=TuningStatus.STOPPING)


def is_stop_requested(records: Records, name: str) -> bool:
    """Whether somebody wants the tuning job to stop."""
    return records.find(STOP_KIND, name) is not None


def tuning_state(records: Records, name: str) -> TuningState:
    """A tuning job as it truly is now. `NotFound` lists near names."""
    found = find_tuning(records, name)
    if found is None:
        raise not_found("tuning job", name, records.names(PLAN_KIND))
    return found


def find_tuning(records: Records, name: str) -> TuningState | None:
    """A tuning job as it truly is now, or None."""
    return true_state(records, name, RecordTuningStore(records).find(name))


def true_state(records: Records, name: str, stored: TuningState | None) -> TuningState | None:
    """`stored` is what the coordinator of a tuning job wrote last; whether it still lives is asked here."""
    found, is_new = stored, False
    if found is None and (plan := records.find(PLAN_KIND, name)) is not None:
        found = TuningState(load_plan(records, name).settings)      # its coordinator has not said a word yet
        is_new = 0 <= time.time() - plan.created_at < APPOINT_SECONDS
    if found is None or found.status not in (TuningStatus.IN_PROGRESS, TuningStatus.STOPPED):
        return found
    holder, here = records.holder(TUNING_KIND, name), Owner.of()
    is_gone = holder is None or is_known_dead(holder.owner, here)
    if found.status is TuningStatus.STOPPED:
        if holder is None or is_gone or holder.owner.host != here.host:
            return found
        found = replace(found, status=TuningStatus.IN_PROGRESS, reason="")      # who goes on with it is on the way
    elif is_gone:
        # Between the two looks it may have come to its end, and let go of the lease.
        last = RecordTuningStore(records).find(name)
        if last is not None and last.status is not TuningStatus.IN_PROGRESS:
            return last
        if not is_new or holder is not None:
            hint = f"`tintype tuning resume {name}` goes on"
            return replace(found, status=TuningStatus.STOPPED, reason=f"{UNTIDY}; {hint}")
    if is_stop_requested(records, name):
        return replace(found, status=TuningStatus.STOPPING)
    return found


def tuning_names(records: Records, *, name_contains: str | None, limit: int, offset: int) -> list[str]:
    """Names of tuning jobs, newest first."""
    # A plan comes before its tuning job; a tuning job of the first release has the plan of another kind, but has one.
    found = records.list(PLAN_KIND, name_contains=name_contains, limit=limit, offset=offset)
    return [record.name for record in found]


def completed(state: TuningState) -> TuningState:
    """The state of a tuning job that came to a good end. `JobFailed` says how another did end."""
    if state.status is TuningStatus.STOPPED:
        hint = "" if "resume" in state.reason else f"; `tintype tuning resume {state.name}` goes on"
        raise JobFailed(f"tuning job {state.name} was stopped: {state.reason}{hint}")
    if state.status is TuningStatus.FAILED:
        failed = next((trial for trial in state.trials if trial.status is TrialStatus.FAILED), None)
        hint = "" if failed is None else f" (its log: tintype jobs logs {failed.name})"
        raise JobFailed(f"tuning job {state.name} failed: {state.reason}{hint}")
    return state


def _is_unseen(records: Records, name: str) -> bool:
    """Whether no coordinator has ever been there."""
    return records.holder(TUNING_KIND, name) is None and records.find(TUNING_KIND, name) is None


def _wish_to_stop(records: Records, name: str) -> None:
    with contextlib.suppress(Conflict):             # somebody asked already
        records.create(STOP_KIND, name, {})


def _forget_stop(records: Records, name: str) -> None:
    with contextlib.suppress(NotFound):
        records.delete(STOP_KIND, name)
