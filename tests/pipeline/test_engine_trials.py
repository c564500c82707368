"""What becomes of trials whose coordinator was killed, case by case; the jobs are moved by hand."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tintype.errors import Conflict
from tintype.jobs.job import Job, JobSpec, Phase, Source, Status
from tintype.jobs.reconciliation import KILLED
from tintype.jobs.store import KIND, JobStore
from tintype.pipeline.coordination import STOP_KIND, UNTIDY, find_tuning, true_state
from tintype.pipeline.coordinator import TTL_SECONDS, take_lease
from tintype.pipeline.engine_trials import EngineTrials
from tintype.records import Lease, Measurement, Owner, Records
from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Continuous
from tintype.tuning.runner import Ended, Reported, TrialEvent
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import TUNING_KIND, RecordTuningStore
from tintype.tuning.trial import Trial, TrialStatus

SPEC = JobSpec(Source("script", "hpo.py"))
TRIAL = Trial(1, "ants-001-0", {"lr": 0.1}, ("lr",))
AGAIN = replace(TRIAL, attempt=2)


class Queue:
    """An engine that only writes jobs down."""

    def __init__(self, jobs: JobStore, folder: Path) -> None:
        self.submitted: list[str] = []
        self._jobs = jobs
        self._folder = folder

    def submit(self, spec: JobSpec, name: str, parent: str = "", directory: Path | None = None) -> Job:
        self.submitted.append(name)
        (self._folder / name).mkdir()
        return self._jobs.submit(Job(name, str(self._folder / name), parent=parent, spec=spec))

    def stop(self, name: str) -> Job:
        return self._jobs.request_stop(name)

    def pause(self, seconds: float) -> None:
        pass


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = Records.open(f"sqlite:///{tmp_path / 'tintype.db'}")
    yield opened
    opened.close()


@pytest.fixture
def jobs(records: Records) -> JobStore:
    return JobStore(records)


@pytest.fixture
def queue(jobs: JobStore, tmp_path: Path) -> Queue:
    return Queue(jobs, tmp_path)


@pytest.fixture
def trials(records: Records, queue: Queue) -> EngineTrials:
    return EngineTrials(queue, records, "ants", lambda trial: SPEC, 2, lambda: None)


def told(trials: EngineTrials) -> list[TrialEvent]:
    return list(trials.events(0.0))


def submitted(queue: Queue, jobs: JobStore, *values: float) -> Path:
    """A job as a former coordinator left it, with what it had measured; and its folder."""
    job = queue.submit(SPEC, TRIAL.name, "ants")
    jobs.measure(TRIAL.name, [Measurement("loss", step, value) for step, value in enumerate(values, start=1)])
    queue.submitted.clear()
    return Path(job.directory)


def test_a_new_trial_is_submitted_and_told_of(trials: EngineTrials, queue: Queue, jobs: JobStore) -> None:
    trials.start(TRIAL)
    assert queue.submitted == [TRIAL.name]
    assert jobs.get(TRIAL.name).parent == "ants"
    for name, step, value in (("loss", 1, 0.5), ("accuracy", 1, 0.75), ("loss", 2, 0.25)):
        jobs.measure(TRIAL.name, [Measurement(name, step, value)])
    jobs.move(TRIAL.name, Status.COMPLETED, result={"a": 1})
    *reports, end = told(trials)
    assert reports == [
        Reported(TRIAL.name, 1, {"loss": 0.5, "accuracy": 0.75}), Reported(TRIAL.name, 2, {"loss": 0.25})
    ]  # fmt: skip
    assert end == Ended(TRIAL.name, TrialStatus.COMPLETED, result={"a": 1})
    assert told(trials) == []


def test_one_that_was_never_submitted_is(trials: EngineTrials, queue: Queue) -> None:
    trials.start(AGAIN)
    assert queue.submitted == [TRIAL.name]


def test_one_that_runs_is_followed_from_its_first_measurement(
    trials: EngineTrials, queue: Queue, jobs: JobStore
) -> None:
    submitted(queue, jobs, 0.5)
    trials.start(AGAIN)
    assert told(trials) == [Reported(TRIAL.name, 1, {"loss": 0.5})]
    assert queue.submitted == []


@pytest.mark.parametrize(
    ("status", "phase", "reason"),
    [
        (Status.COMPLETED, None, ""),
        (Status.FAILED, None, "the script ended with exit code 1"),
        (Status.STOPPED, Phase.MAX_RUNTIME_EXCEEDED, "it took too long"),
    ],
)
def test_one_that_ended_by_itself_is_told_once_more(
    trials: EngineTrials, queue: Queue, jobs: JobStore, status: Status, phase: Phase | None, reason: str
) -> None:
    submitted(queue, jobs, 0.5)
    jobs.change(TRIAL.name, lambda job: job.moved(status, at=1.0, reason=reason, phase=phase))
    trials.start(AGAIN)
    report, end = told(trials)
    assert report == Reported(TRIAL.name, 1, {"loss": 0.5})
    assert end == Ended(TRIAL.name, TrialStatus(status.value), reason)
    assert queue.submitted == []


@pytest.mark.parametrize(("status", "reason"), [(Status.STOPPED, ""), (Status.FAILED, KILLED)])
def test_one_that_was_stopped_or_lost_is_run_again_from_nothing(
    trials: EngineTrials, queue: Queue, jobs: JobStore, status: Status, reason: str
) -> None:
    folder = submitted(queue, jobs, 0.5)
    (folder / "left-over").write_text("x")
    jobs.move(TRIAL.name, status, reason=reason)
    trials.start(AGAIN)
    assert queue.submitted == [TRIAL.name]
    assert list(folder.iterdir()) == []
    assert jobs.measurements(TRIAL.name) == []
    assert told(trials) == []
    assert jobs.get(TRIAL.name).status is Status.IN_PROGRESS


def test_one_that_is_still_stopping_is_run_again_after_that(trials: EngineTrials, queue: Queue, jobs: JobStore) -> None:
    submitted(queue, jobs)
    jobs.request_stop(TRIAL.name)
    trials.start(AGAIN)
    assert told(trials) == []
    jobs.move(TRIAL.name, Status.STOPPED)
    while not queue.submitted:
        told(trials)
    assert jobs.get(TRIAL.name).status is Status.IN_PROGRESS


def test_stopping_what_has_ended_or_is_not_there_is_nothing(
    trials: EngineTrials, queue: Queue, jobs: JobStore
) -> None:
    trials.stop("nobody")
    submitted(queue, jobs)
    trials.stop(TRIAL.name)
    assert jobs.get(TRIAL.name).status is Status.STOPPING
    jobs.move(TRIAL.name, Status.STOPPED)
    trials.stop(TRIAL.name)


def test_a_job_that_somebody_deleted_is_a_failed_trial(trials: EngineTrials, records: Records) -> None:
    trials.start(TRIAL)
    records.delete(KIND, TRIAL.name)
    assert told(trials) == [Ended(TRIAL.name, TrialStatus.FAILED, "its job was deleted")]


class TestWhoCoordinates:
    ME = Owner.of()

    def test_the_dead_are_succeeded_and_the_living_are_not(self, records: Records) -> None:
        records.lease(TUNING_KIND, "ants", replace(self.ME, pid=2**22 + 1))
        assert take_lease(records, "ants", self.ME).token == 2
        with pytest.raises(Conflict, match=f"coordinated by process {self.ME.pid}"):
            take_lease(records, "ants", Owner.of(os.getppid()))

    def test_a_lease_that_was_taken_for_this_process_is_its_own(self, records: Records) -> None:
        appointed = records.lease(TUNING_KIND, "ants", self.ME)
        assert take_lease(records, "ants", self.ME) == appointed

    def test_whoever_is_a_moment_quicker_with_a_free_lease_has_it(
        self, records: Records, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        holder, looks = Records.holder, itertools.count()

        def overtaken(self: Records, kind: str, name: str) -> Lease | None:
            found = holder(self, kind, name)
            if next(looks) == 0:
                self.lease(kind, name, TestWhoCoordinates.ME)
            return found

        monkeypatch.setattr(Records, "holder", overtaken)
        assert take_lease(records, "ants", self.ME).token == 1

    def test_one_on_another_machine_is_watched_for_a_while(
        self, records: Records, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tintype.pipeline.coordinator.WATCH_SECONDS", 0.0)
        lease = records.lease(TUNING_KIND, "ants", replace(self.ME, host="elsewhere"))
        passed = iter(range(0, 1000, int(TTL_SECONDS) // 3))
        assert take_lease(records, "ants", self.ME, lambda: next(passed)).token == 2

        lease = records.lease(TUNING_KIND, "bees", replace(self.ME, host="elsewhere"))

        def time_in_which_it_is_renewed() -> float:
            records.renew(lease)
            return 0.0

        with pytest.raises(Conflict, match="on elsewhere"):
            take_lease(records, "bees", self.ME, time_in_which_it_is_renewed)

    def test_a_tuning_job_that_nobody_coordinates_reads_as_stopped(self, records: Records) -> None:
        space = Space((Continuous("lr", 0.0, 1.0),))
        settings = TuningSettings(name="ants", space=space, objective="loss", direction=Direction.MINIMIZE)
        RecordTuningStore(records).save(TuningState(settings))
        state = find_tuning(records, "ants")
        assert state is not None
        assert (state.status, state.reason.startswith(UNTIDY)) == (TuningStatus.STOPPED, True)
        records.lease(TUNING_KIND, "ants", self.ME)
        state = find_tuning(records, "ants")
        assert state is not None
        assert state.status is TuningStatus.IN_PROGRESS
        assert find_tuning(records, "bees") is None

    def test_one_that_was_stopped_goes_on_as_soon_as_somebody_has_it(self, records: Records) -> None:
        space = Space((Continuous("lr", 0.0, 1.0),))
        settings = TuningSettings(name="ants", space=space, objective="loss", direction=Direction.MINIMIZE)
        stopped = TuningState(settings, status=TuningStatus.STOPPED, reason="stopped by its owner")
        assert true_state(records, "ants", stopped) == stopped
        lease = records.lease(TUNING_KIND, "ants", self.ME)
        assert true_state(records, "ants", stopped) == TuningState(settings)
        records.create(STOP_KIND, "ants", {})
        assert true_state(records, "ants", stopped) == TuningState(settings, status=TuningStatus.STOPPING)
        records.release(lease)
        assert true_state(records, "ants", stopped) == stopped

    def test_one_that_ends_while_one_looks_is_not_taken_for_lost(self, records: Records) -> None:
        """Its state is read; it ends, and its coordinator lets go of the lease; then the lease is looked for."""
        space = Space((Continuous("lr", 0.0, 1.0),))
        settings = TuningSettings(name="ants", space=space, objective="loss", direction=Direction.MINIMIZE)
        lease = records.lease(TUNING_KIND, "ants", self.ME)
        store = RecordTuningStore(records, lease)
        store.save(under_way := TuningState(settings))
        assert true_state(records, "ants", under_way) == under_way
        store.save(done := replace(under_way, status=TuningStatus.COMPLETED))
        records.release(lease)
        assert true_state(records, "ants", under_way) == done
