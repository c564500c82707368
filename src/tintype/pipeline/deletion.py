"""Training jobs and tuning jobs deleted: what goes with one, what keeps it, and the deed.

The record goes last: of a deletion that was killed there is a job left, which can be deleted again. Deletions of a home
take turns, so of two that want the same job the second finds none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tintype.errors import Conflict, NotFound
from tintype.jobs import shared_inputs
from tintype.jobs.job import Job, Status
from tintype.jobs.store import KIND as JOB_KIND
from tintype.pipeline.coordination import STOP_KIND, UNDER_WAY, is_taken, tuning_state
from tintype.pipeline.records_beside import forget_beside
from tintype.pipeline.run_record import is_under_way, training_of
from tintype.pipeline.tuning_plan import PLAN_KIND
from tintype.records import Owner, Records, is_known_dead
from tintype.serving.endpoints.endpoint import Endpoint
from tintype.serving.endpoints.endpoint import Status as EndpointStatus
from tintype.serving.endpoints.store import Endpoints
from tintype.storage import exclusive_lock, storage_errors
from tintype.tuning.state import TuningStatus
from tintype.tuning.store import TRIAL_KIND, TUNING_KIND
from tintype.workspace import RUN_KIND, Workspace

COPYING = frozenset({EndpointStatus.CREATING, EndpointStatus.UPDATING})     # they may still need the original archive
NAMED = 3                           # trials in a message


@final
@dataclass(frozen=True)
class Deletion:
    """What goes with a job. Of what was made of it this stays: endpoints, which serve copies of their own."""

    name: str
    kind: str                       # of its record: a training job's, or that of a tuning job's plan
    jobs: tuple[str, ...]           # the training jobs that go: itself, or a tuning job's trials
    folders: tuple[Path, ...]
    run: str | None                 # the run that goes too, with its report: this is the last that is left of it
    endpoints: tuple[str, ...]      # that serve a model of it, and go on
    elsewhere: tuple[str, ...]      # folders of jobs outside the home, which stay


Look = Callable[[Workspace, str], Deletion]


def of_training_job(workspace: Workspace, name: str) -> Deletion:
    """What would go with a training job. `NotFound`; `Conflict` when it runs, or something needs it."""
    if not workspace.jobs.exists(name) and is_taken(workspace.records, name):
        raise NotFound(f"{name!r} is a tuning job; `tintype tuning delete {name}` deletes it with its trials")
    job = workspace.jobs.get(name)
    if not job.status.is_finished:
        stop = "" if job.status is Status.STOPPING else f"`tintype jobs stop {name}` and "
        raise Conflict(f"training job {name!r} is {job.status}; {stop}`tintype jobs wait {name}` end it first")
    if job.parent and is_taken(workspace.records, job.parent):
        hint = f"`tintype tuning delete {job.parent}` deletes it with all its trials"
        raise Conflict(f"{name!r} is a trial of the tuning job {job.parent!r}, which needs it; {hint}")
    run = name.removesuffix(training_of(""))
    is_last = run != name and not is_taken(workspace.records, run)
    return _deletion(workspace, name, JOB_KIND, [job], run, is_last, ())


def of_tuning_job(workspace: Workspace, name: str) -> Deletion:
    """What would go with a tuning job: all its trials. Raises as `of_training_job` does."""
    if not is_taken(workspace.records, name) and workspace.jobs.exists(name):
        raise NotFound(f"{name!r} is a training job; `tintype jobs delete {name}` deletes it")
    state = tuning_state(workspace.records, name)
    if state.status in UNDER_WAY:
        stop = "" if state.status is TuningStatus.STOPPING else f"`tintype tuning stop {name}` ends it first, and "
        hint = f"{stop}`tintype tuning show {name}` says when it has ended"
        raise Conflict(f"tuning job {name!r} is {state.status.value}; {hint}")
    jobs = workspace.jobs.list(parent=name)
    running = [job.name for job in jobs if not job.status.is_finished]
    if running:                                             # its coordinator was killed
        more = ", ..." if len(running) > NAMED else ""
        named = ", ".join(running[:NAMED]) + more
        raise Conflict(f"of tuning job {name!r} there are trials that run ({named}); `tintype jobs stop` ends each")
    is_last = not workspace.jobs.exists(training_of(name))
    return _deletion(workspace, name, PLAN_KIND, jobs, name, is_last, [workspace.tuning_directory(name)])


def foreseen(workspace: Workspace, look: Look, name: str) -> Deletion:
    """What `look` finds to go, once no other deletion is under way."""
    with _turn(workspace):
        return look(workspace, name)


def delete(workspace: Workspace, look: Look, name: str) -> Deletion:
    """Delete what `look` finds to go, and return it. Raises what `look` raises, and `StorageFailed`."""
    with _turn(workspace):
        found = look(workspace, name)
        with _kept_from_coordinators(workspace.records, found):
            for folder in found.folders:
                remove(folder)
            if found.run is not None:
                with contextlib.suppress(NotFound):
                    workspace.records.delete(RUN_KIND, found.run)
            for job in found.jobs:
                _forget(workspace.records, JOB_KIND, job)
            if found.kind == PLAN_KIND:
                _forget_tuning(workspace, name)
    return found


def remove(folder: Path) -> None:
    """Remove a folder, which is gone at once for everybody: no half of it is taken for a whole one. A link is removed
    and not what it leads to.
    """
    leaving = folder.with_name(f".{folder.name}.leaving")   # no name of a job begins with a dot
    with storage_errors(folder):
        _remove_whole(leaving)                              # of a deletion that was killed
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, leaving)
        _remove_whole(leaving)


def _turn(workspace: Workspace) -> AbstractContextManager[None]:
    return exclusive_lock(workspace.home / "run" / "deletion.lock")


def _remove_whole(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _deletion(
    workspace: Workspace,
    name: str,
    kind: str,
    jobs: Sequence[Job],
    run_name: str,
    is_last: bool,
    more_folders: Iterable[Path],
) -> Deletion:
    run = workspace.records.find(RUN_KIND, run_name)
    if run is not None and is_under_way(run):
        raise Conflict(f"{name!r} belongs to the run {run.name!r}, which is under way; Ctrl-C ends it")
    goes = run.name if run is not None and is_last else None
    folders = [workspace.job_directory(job.name) for job in jobs]
    return Deletion(
        name=name,
        kind=kind,
        jobs=tuple(job.name for job in jobs),
        folders=(*folders, *more_folders, *([workspace.run_directory(goes)] if goes else [])),
        run=goes,
        endpoints=tuple(_serving(workspace, name, folders)),
        elsewhere=tuple(job.directory for job in jobs if _is_elsewhere(workspace, job)),
    )


def _serving(workspace: Workspace, name: str, folders: Sequence[Path]) -> Iterator[str]:
    """The endpoints with a model out of one of the folders. `Conflict` when one has no copy of its own."""
    for endpoint in Endpoints(workspace.records).list():
        archives = [Path(one.archive) for one in endpoint.variants if _is_in(one.archive, folders)]
        if not archives:
            continue
        if endpoint.status in COPYING or any(one.is_dir() for one in archives):
            hint = f"wait until it is InService, or delete it first (tintype endpoints delete {endpoint.name})"
            raise Conflict(f"endpoint {endpoint.name!r} is {_needing(endpoint)} {name!r}; {hint}")
        yield endpoint.name


def _needing(endpoint: Endpoint) -> str:
    return f"{endpoint.status}, with a model of" if endpoint.status in COPYING else "serving out of the folder of"


def _is_in(archive: str, folders: Sequence[Path]) -> bool:
    return any(Path(archive).is_relative_to(folder) for folder in folders)


def _is_elsewhere(workspace: Workspace, job: Job) -> bool:
    own, folder = workspace.job_directory(job.name), Path(job.directory)
    return folder != own and folder.is_dir() and not (own.exists() and folder.samefile(own))


def _kept_from_coordinators(records: Records, found: Deletion) -> AbstractContextManager[None]:
    return _coordinating(records, found.name) if found.kind == PLAN_KIND else nullcontext()


@contextlib.contextmanager
def _coordinating(records: Records, name: str) -> Iterator[None]:
    """Nobody resumes the tuning job meanwhile. `Conflict` when somebody just did."""
    holder = records.holder(TUNING_KIND, name)
    is_left = holder is not None and is_known_dead(holder.owner, Owner.of())
    lease = records.lease(TUNING_KIND, name, Owner.of(), over=holder if is_left else None)
    try:
        yield
    finally:
        records.release(lease)


def _forget_tuning(workspace: Workspace, name: str) -> None:
    records = workspace.records
    shared_inputs.forget(workspace.home, name)
    for trial in records.list(TRIAL_KIND, parent=name):
        records.delete(TRIAL_KIND, trial.name)
    _forget(records, PLAN_KIND, name)
    for kind in (STOP_KIND, TUNING_KIND):       # the plan alone would be taken for one that is just beginning
        with contextlib.suppress(NotFound):
            records.delete(kind, name)


def _forget(records: Records, kind: str, name: str) -> None:
    forget_beside(records, kind, name)
    with contextlib.suppress(NotFound):
        records.delete(kind, name, measurements=kind == JOB_KIND)
