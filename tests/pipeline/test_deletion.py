"""Jobs deleted: what goes, what is refused, and what a kill or a second deletion at the same time leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tuning.test_store import SETTINGS, STATE, trial
from tintype.errors import Conflict, NotFound
from tintype.jobs.job import Job, Status
from tintype.jobs.specification import JobSpec, Source
from tintype.pipeline import coordination, run_record
from tintype.pipeline.deletion import Deletion, Look, delete, of_training_job, of_tuning_job
from tintype.pipeline.tuning_plan import ScriptTrials, TuningPlan, save_plan
from tintype.records import Measurement, Owner
from tintype.serving.endpoints.endpoint import Endpoint, Variant
from tintype.serving.endpoints.endpoint import Status as EndpointStatus
from tintype.serving.endpoints.process import ProcessIdentity
from tintype.serving.endpoints.store import KIND as ENDPOINT_KIND
from tintype.settings import Settings
from tintype.tuning.state import TuningStatus
from tintype.tuning.store import TUNING_KIND, RecordTuningStore
from tintype.tuning.trial import TrialStatus
from tintype.workspace import RUN_KIND, Workspace, open_workspace

SPEC = JobSpec(Source("script", "hpo.py", "/nowhere"))
DEAD = Owner.of(2**22 + 1)              # no Linux has so many processes


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with open_workspace(Settings(home=tmp_path / "home")) as found:
        yield found


def job(workspace: Workspace, name: str, status: Status = Status.COMPLETED, parent: str = "") -> Path:
    """A job with a model and measurements; its folder."""
    folder = workspace.job_directory(name)
    workspace.jobs.submit(Job(name, str(folder), spec=SPEC, parent=parent))
    (folder / "output" / "data").mkdir(parents=True)
    (folder / "model.tar.gz").write_bytes(b"model")
    workspace.jobs.measure(name, [Measurement("loss", 1, 0.5)])
    if status is not Status.IN_PROGRESS:
        workspace.jobs.move(name, status)
    return folder


def search(workspace: Workspace, name: str, status: TuningStatus = TuningStatus.COMPLETED) -> None:
    """A tuning job with two trials and their jobs."""
    settings = SETTINGS.model_copy(update={"name": name})
    save_plan(workspace.records, TuningPlan(settings, ScriptTrials(SPEC)))
    store, state = RecordTuningStore(workspace.records), replace(STATE, settings=settings, status=status)
    store.save(state)
    for number in (1, 2):
        one = replace(trial(number), name=f"{name}-00{number}").ended(TrialStatus.COMPLETED, 1.0, value=0.5)
        store.save_trial(state, one)
        job(workspace, one.name, parent=name)
    workspace.tuning_directory(name).mkdir(parents=True)


def endpoint(workspace: Workspace, name: str, archive: Path, status: EndpointStatus) -> None:
    """An endpoint that this process creates, or that is down."""
    found = Endpoint(
        name, str(workspace.endpoint_directory(name) / "server"), (Variant("AllTraffic", str(archive)),),
        ProcessIdentity.own(), "127.0.0.1", status=status,
    )  # fmt: skip
    workspace.records.create(ENDPOINT_KIND, name, found.to_json(), status=status)


def is_empty(workspace: Workspace) -> bool:
    """Whether nothing of any job is left: no record, no file."""
    kinds = ("training-job", "trial", "tuning-job", "tuning-plan", "tuning-stop", RUN_KIND, "training-request", "tags")
    left = [path for path in workspace.home.rglob("*") if path.relative_to(workspace.home).parts[0] not in ("run",)]
    files = [path for path in left if path.is_file() and not path.name.startswith("tintype.db")]
    return not files and not any(workspace.records.names(kind) for kind in kinds)


def test_a_job_goes_with_all_that_is_kept_of_it(workspace: Workspace) -> None:
    folder = job(workspace, "ants")
    workspace.records.create("training-request", "ants", {})
    workspace.records.create("tags", "training-job/ants", {})
    other = job(workspace, "bees")
    assert delete(workspace, of_training_job, "ants") == Deletion(
        "ants", "training-job", ("ants",), (folder,), None, (), ()
    )
    assert not workspace.jobs.measurements("ants")
    assert [one.name for one in workspace.jobs.list()] == ["bees"]
    assert (other / "model.tar.gz").exists()
    delete(workspace, of_training_job, "bees")
    assert is_empty(workspace)
    assert not list((workspace.home / "jobs").iterdir())


def test_a_tuning_job_goes_with_its_trials(workspace: Workspace) -> None:
    search(workspace, "ants")
    workspace.records.create("tuning-request", "ants", {})
    workspace.records.create("tags", "hyper-parameter-tuning-job/ants", {})
    done = delete(workspace, of_tuning_job, "ants")
    assert sorted(done.jobs) == ["ants-001", "ants-002"]
    assert is_empty(workspace)
    assert not workspace.records.names("tuning-request")
    assert not workspace.tuning_directory("ants").exists()
    search(workspace, "ants")                   # the name is free


def test_one_that_runs_is_to_be_stopped_first(workspace: Workspace) -> None:
    folder = job(workspace, "ants", Status.IN_PROGRESS)
    with pytest.raises(Conflict, match="'ants' is InProgress; `tintype jobs stop ants` and `tintype jobs wait ants`"):
        delete(workspace, of_training_job, "ants")
    workspace.jobs.request_stop("ants")
    with pytest.raises(Conflict, match="'ants' is Stopping; `tintype jobs wait ants`"):
        delete(workspace, of_training_job, "ants")
    assert (folder / "model.tar.gz").exists()


def test_a_search_that_runs_is_to_be_stopped_first(workspace: Workspace) -> None:
    search(workspace, "ants", TuningStatus.IN_PROGRESS)
    lease = workspace.records.lease(TUNING_KIND, "ants", Owner.of())
    with pytest.raises(Conflict, match="'ants' is InProgress; `tintype tuning stop ants` ends it first"):
        delete(workspace, of_tuning_job, "ants")
    coordination.request_stop(workspace.records, "ants")
    with pytest.raises(Conflict, match="'ants' is Stopping; `tintype tuning show ants` says when it has ended"):
        delete(workspace, of_tuning_job, "ants")
    workspace.records.release(lease)
    job(workspace, "ants-003", Status.IN_PROGRESS, parent="ants")       # its coordinator was killed, and it goes on
    with pytest.raises(Conflict, match=r"trials that run \(ants-003\); `tintype jobs stop` ends each"):
        delete(workspace, of_tuning_job, "ants")
    workspace.jobs.move("ants-003", Status.STOPPED)
    workspace.records.lease(TUNING_KIND, "ants", DEAD)
    assert len(delete(workspace, of_tuning_job, "ants").jobs) == 3
    assert is_empty(workspace)


def test_a_trial_stays_as_long_as_its_search(workspace: Workspace) -> None:
    search(workspace, "ants")
    with pytest.raises(Conflict, match="trial of the tuning job 'ants', which needs it; `tintype tuning delete ants`"):
        delete(workspace, of_training_job, "ants-001")
    job(workspace, "bees-001", parent="bees")           # whose search was deleted through the API
    delete(workspace, of_training_job, "bees-001")


def test_the_other_kind_is_pointed_to(workspace: Workspace) -> None:
    search(workspace, "ants")
    job(workspace, "bees")
    with pytest.raises(NotFound, match="'ants' is a tuning job; `tintype tuning delete ants`"):
        delete(workspace, of_training_job, "ants")
    with pytest.raises(NotFound, match="'bees' is a training job; `tintype jobs delete bees`"):
        delete(workspace, of_tuning_job, "bees")
    with pytest.raises(NotFound, match="no training job named 'beess'; did you mean 'bees'"):
        delete(workspace, of_training_job, "beess")


def test_endpoints_have_copies_unless_they_are_just_being_made(workspace: Workspace) -> None:
    archive = job(workspace, "ants") / "model.tar.gz"
    endpoint(workspace, "new", archive, EndpointStatus.CREATING)
    with pytest.raises(Conflict, match=r"'new' is Creating, with a model of 'ants'; .*endpoints delete new"):
        delete(workspace, of_training_job, "ants")
    workspace.records.delete(ENDPOINT_KIND, "new")
    endpoint(workspace, "old", archive, EndpointStatus.OUT_OF_SERVICE)
    endpoint(workspace, "other", job(workspace, "bees") / "model.tar.gz", EndpointStatus.OUT_OF_SERVICE)
    assert delete(workspace, of_training_job, "ants").endpoints == ("old",)


def test_an_endpoint_that_serves_out_of_the_folder_keeps_the_job(workspace: Workspace) -> None:
    folder = job(workspace, "ants") / "output"
    endpoint(workspace, "live", folder, EndpointStatus.OUT_OF_SERVICE)
    with pytest.raises(Conflict, match="'live' is serving out of the folder of 'ants'"):
        delete(workspace, of_training_job, "ants")


@pytest.mark.parametrize("first", ["tuning", "training"])
def test_a_run_goes_with_the_last_that_is_left_of_it(workspace: Workspace, first: str) -> None:
    workspace.records.create(RUN_KIND, "ants", {}, status="Completed")
    report = workspace.run_directory("ants") / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("report")
    search(workspace, "ants")
    job(workspace, "ants-train")
    steps: list[tuple[Look, str]] = [(of_tuning_job, "ants"), (of_training_job, "ants-train")]
    for number, (look, name) in enumerate(steps if first == "tuning" else reversed(steps)):
        assert report.exists()
        assert delete(workspace, look, name).run == ("ants" if number else None)
    assert is_empty(workspace)


def test_a_run_that_somebody_is_at_keeps_its_jobs(workspace: Workspace) -> None:
    search(workspace, "ants")
    run = workspace.records.create(RUN_KIND, "ants", {"owner": Owner.of().to_json()}, status="InProgress")
    with pytest.raises(Conflict, match="'ants' belongs to the run 'ants', which is under way; Ctrl-C ends it"):
        delete(workspace, of_tuning_job, "ants")
    workspace.records.replace(run, {"owner": DEAD.to_json()})
    assert delete(workspace, of_tuning_job, "ants").run == "ants"


def test_a_folder_outside_the_home_stays(workspace: Workspace, tmp_path: Path) -> None:
    workspace.jobs.submit(Job("ants", str(tmp_path), spec=SPEC))
    workspace.jobs.move("ants", Status.COMPLETED)
    assert delete(workspace, of_training_job, "ants").elsewhere == (str(tmp_path),)
    assert workspace.home.is_dir()


def test_what_a_link_leads_to_stays(workspace: Workspace, tmp_path: Path) -> None:
    folder = job(workspace, "ants")
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    delete(workspace, of_training_job, "ants")
    assert not folder.is_symlink()
    assert (tmp_path / "moved" / "model.tar.gz").exists()


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from tintype.pipeline import deletion
from tintype.records import Records
from tintype.settings import Settings
from tintype.workspace import open_workspace

home, look, name, place, number = sys.argv[1:]
owner = {"rmtree": shutil, "delete": Records}[place]
then, calls = getattr(owner, place), 0

def until_killed(*given, **named):
    global calls
    calls += 1
    if calls == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
    return then(*given, **named)

setattr(owner, place, until_killed)
with open_workspace(Settings(home=Path(home))) as workspace:
    deletion.delete(workspace, getattr(deletion, look), name)
"""


@pytest.mark.parametrize("place", ["rmtree", "delete"])
def test_a_deletion_that_was_killed_is_completed_by_the_next(workspace: Workspace, place: str) -> None:
    """At every single step, until there are no more."""
    number = 0
    for number in range(1, 100):
        search(workspace, "ants")
        workspace.records.create(RUN_KIND, "ants", {}, status="Completed")
        words = [str(workspace.home), "of_tuning_job", "ants", place, str(number)]
        done = subprocess.run([sys.executable, "-c", KILLED, *words], check=False, env=dict(os.environ))
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        assert coordination.tuning_state(workspace.records, "ants").status is not TuningStatus.IN_PROGRESS
        delete(workspace, of_tuning_job, "ants")
        assert is_empty(workspace)
    assert number > 3
    assert is_empty(workspace)


def test_of_two_at_once_one_wins(workspace: Workspace) -> None:
    for number in range(5):
        name = f"ants-{number}"
        job(workspace, name)

        def once(_: int, name: str = name) -> bool:
            with open_workspace(workspace.settings) as own:
                try:
                    delete(own, of_training_job, name)
                except NotFound:
                    return False
                return True

        with ThreadPoolExecutor(4) as threads:
            assert sorted(threads.map(once, range(4))) == [False, False, False, True]
    assert is_empty(workspace)


def test_the_name_of_a_run_that_never_began_is_free(workspace: Workspace) -> None:
    workspace.records.create(RUN_KIND, "ants", {"owner": DEAD.to_json()}, status="InProgress")
    taken = run_record.begin(workspace, "ants", {"data": "photos"})
    assert run_record.is_under_way(taken)
    with pytest.raises(Conflict, match="a run named 'ants' is there already"):
        run_record.begin(workspace, "ants", {})
    failed = workspace.records.replace(taken, taken.document, status="Failed")
    assert run_record.is_vacant(workspace, failed)
    job(workspace, "ants-train")
    assert not run_record.is_vacant(workspace, failed)
