from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tuning.scripted_runner import Script, ScriptedRunner
from tintype.errors import Conflict, InvalidRequest, StorageFailed
from tintype.records import Records
from tintype.tuning.ranges import Categorical, Continuous, Integer, parse_range
from tintype.tuning.runner import Ended, Reported, TrialEvent
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import MemoryTuningStore, RecordTuningStore, TuningStore
from tintype.tuning.trial import Trial, TrialStatus
from tintype.tuning.tuner import Tuner

SPACE = Space((Continuous("lr", 0.001, 0.1), Categorical("batch-size", (16, 64))))
DONE, FAILED, STOPPED = TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.STOPPED


def asked(**values: Any) -> TuningSettings:
    return TuningSettings(**{"name": "t", "space": SPACE, "objective": "loss", "direction": "Minimize", **values})


def lr_is_the_loss(trial: Trial) -> Sequence[Mapping[str, float]]:
    """Three epochs that come down to the learning rate."""
    lr = float(trial.hyperparameters["lr"])
    return [{"loss": lr + distance, "accuracy": 0.5} for distance in (2.0, 1.0, 0.0)]


def by_number(**reports: Sequence[float]) -> Script:
    """`n1=[...]`: the losses of trial 1; `rest` those of all others."""
    return lambda trial: [{"loss": value} for value in reports.get(f"n{trial.number}", reports.get("rest", [1.0]))]


def ticking() -> Callable[[], float]:
    ticks = itertools.count(1000)
    return lambda: float(next(ticks))


def tuned(
    settings: TuningSettings,
    runner: ScriptedRunner,
    store: TuningStore | None = None,
    timer: Callable[[], float] = lambda: 0.0,
    on_change: Callable[[TuningState], None] | None = None,
) -> TuningState:
    return Tuner(settings, runner, store or MemoryTuningStore(), ticking(), timer).run(on_change)


def statuses(state: TuningState) -> list[TrialStatus]:
    return [trial.status for trial in state.trials]


class TestAnOrdinaryRun:
    def test_the_best_trial_and_all_others(self) -> None:
        runner = ScriptedRunner(lr_is_the_loss)
        state = tuned(asked(max_jobs=5, hyperparameters={"epochs": 3}), runner)
        assert state.status is TuningStatus.COMPLETED
        assert state.reason == "all 5 trials are over"
        assert statuses(state) == [DONE] * 5
        assert state.counts[DONE] == 5
        assert state.best is not None
        assert state.best.value == min(float(trial.hyperparameters["lr"]) for trial in state.trials)
        assert state.best_hyperparameters == {"epochs": 3, **state.best.suggested}
        assert list(state.best_hyperparameters) == ["epochs", "lr", "batch-size"]
        assert runner.closed

    def test_what_a_trial_remembers(self) -> None:
        trial = tuned(asked(max_jobs=1), ScriptedRunner(lr_is_the_loss)).trials[0]
        lr = float(trial.hyperparameters["lr"])
        assert trial.history == ((1, lr + 2), (2, lr + 1), (3, lr))
        assert trial.metrics == {"loss": lr, "accuracy": 0.5}
        assert trial.result == {"epochs": 3}
        assert trial.ended_at is not None
        assert trial.started_at < trial.ended_at

    def test_it_is_all_in_the_store(self) -> None:
        store = MemoryTuningStore()
        state = tuned(asked(), ScriptedRunner(lr_is_the_loss), store)
        assert store.handle().load("t") == state

    def test_the_same_seed_gives_the_same_trials(self) -> None:
        first, second = (tuned(asked(max_jobs=12, seed=3), ScriptedRunner(lr_is_the_loss)) for _ in range(2))
        assert first == second
        assert tuned(asked(max_jobs=12, seed=4), ScriptedRunner(lr_is_the_loss)).trials != first.trials

    def test_parallel_trials_are_bounded_by_what_was_asked_and_by_the_room(self) -> None:
        wide = ScriptedRunner(lr_is_the_loss, capacity=8)
        assert tuned(asked(max_jobs=9, max_parallel_jobs=3), wide).notes == ()
        assert wide.most_at_once == 3
        narrow = ScriptedRunner(lr_is_the_loss, capacity=2)
        state = tuned(asked(max_jobs=9, max_parallel_jobs=3), narrow)
        assert narrow.most_at_once == 2
        assert state.notes == ("max_parallel_jobs lowered from 3 to 2, which is what there is room for",)
        with pytest.raises(InvalidRequest, match="no room"):
            tuned(asked(), ScriptedRunner(lr_is_the_loss, capacity=0))

    def test_a_watcher_sees_every_trial_begin_and_end(self) -> None:
        seen: list[TuningState] = []
        final = tuned(asked(max_jobs=3), ScriptedRunner(lr_is_the_loss), on_change=seen.append)
        assert seen[-1] == final
        assert {tuple(statuses(state)) for state in seen} == {
            (TrialStatus.IN_PROGRESS,), (DONE, TrialStatus.IN_PROGRESS), (DONE, DONE, TrialStatus.IN_PROGRESS),
            (DONE, DONE, DONE),
        }  # fmt: skip
        assert max(len(state.trials[0].history) for state in seen[:3]) > 0

    def test_a_small_space_ends_the_search(self) -> None:
        space = Space((Integer("n", 1, 3),))
        state = tuned(asked(space=space, max_jobs=50), ScriptedRunner(by_number()))
        assert state.status is TuningStatus.COMPLETED
        assert state.reason == "all 3 combinations were tried"
        assert sorted(int(trial.hyperparameters["n"]) for trial in state.trials) == [1, 2, 3]

    def test_a_whole_grid(self) -> None:
        settings = asked(strategy="grid", grid_points=4, max_jobs=None)
        assert len(tuned(settings, ScriptedRunner(lr_is_the_loss)).trials) == 8

    @pytest.mark.parametrize(("counted", "expected"), [("last", 0.7), ("best", 0.4)])
    def test_which_value_counts(self, counted: str, expected: float) -> None:
        runner = ScriptedRunner(by_number(rest=[0.9, 0.4, 0.7]))
        assert tuned(asked(max_jobs=1, counted=counted), runner).trials[0].value == expected

    def test_a_name_is_used_once(self) -> None:
        store = MemoryTuningStore()
        tuned(asked(), ScriptedRunner(lr_is_the_loss), store)
        with pytest.raises(Conflict, match="already is a tuning job 't' with other settings"):
            tuned(asked(max_jobs=9), ScriptedRunner(lr_is_the_loss), store)

    def test_a_finished_tuning_job_is_not_run_again(self) -> None:
        store = MemoryTuningStore()
        first = tuned(asked(), ScriptedRunner(lr_is_the_loss), store)
        again = ScriptedRunner(lr_is_the_loss)
        assert tuned(asked(), again, store) == first
        assert again.started == []


class TestFailures:
    def test_failed_trials_are_counted_and_not_fatal(self) -> None:
        runner = ScriptedRunner(lr_is_the_loss, fail=lambda trial: "out of memory" if trial.number == 2 else "")
        state = tuned(asked(max_jobs=3), runner)
        assert state.status is TuningStatus.COMPLETED
        assert statuses(state) == [DONE, FAILED, DONE]
        assert state.trials[1].reason == "out of memory"
        assert state.trials[1].value is None

    def test_a_trial_that_cannot_be_started_fails(self) -> None:
        runner = ScriptedRunner(lr_is_the_loss, refuse=lambda trial: "no such data" if trial.number == 1 else "")
        state = tuned(asked(max_jobs=2), runner)
        assert statuses(state) == [FAILED, DONE]
        assert state.trials[0].reason == "it could not be started: no such data"

    @pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
    def test_an_objective_that_is_not_a_number_fails_the_trial(self, broken: float) -> None:
        state = tuned(asked(max_jobs=2), ScriptedRunner(by_number(n1=[1.0, broken, broken])))
        assert statuses(state) == [FAILED, DONE]
        assert state.trials[0].reason == f"its objective 'loss' is {broken}, and was not finite first at step 2"

    def test_a_metric_that_is_never_reported_fails_the_trial_and_names_the_others(self) -> None:
        runner = ScriptedRunner(lambda _: [{"valid:loss": 1.0, "lr": 0.1}])
        state = tuned(asked(max_jobs=3), runner)
        assert state.status is TuningStatus.FAILED
        told = "the metric 'loss' was never reported; the metrics that were are lr, valid:loss"
        assert state.trials[0].reason == told
        assert state.reason.startswith("No training job succeeded after 3 attempts. Please take")
        assert state.reason.endswith(f"{told} (and 2 others like it)")

    def test_when_the_first_ones_all_fail_it_gives_up(self) -> None:
        runner = ScriptedRunner(lambda _: [], capacity=2, fail=lambda _: "ImportError: no module named 'tochvision'")
        state = tuned(asked(max_jobs=50, max_parallel_jobs=2), runner)
        assert state.status is TuningStatus.FAILED
        assert 5 <= len(state.trials) <= 6
        assert "no module named 'tochvision'" in state.reason

    def test_one_that_gets_through_keeps_it_going(self) -> None:
        runner = ScriptedRunner(
            by_number(n1=[1.0] * 20), capacity=2, fail=lambda trial: "broken" if 1 < trial.number < 7 else ""
        )
        state = tuned(asked(max_jobs=10, max_parallel_jobs=2), runner)
        assert state.status is TuningStatus.COMPLETED
        assert len(state.trials) == 10

    def test_late_and_unknown_events_change_nothing(self) -> None:
        class Chatty(ScriptedRunner):
            def events(self, timeout_seconds: float) -> Sequence[TrialEvent]:
                found = list(super().events(timeout_seconds))
                for event in [one for one in found if isinstance(one, Ended)]:
                    found += [Reported(event.trial, 9, {"loss": -5.0}), Ended(event.trial, FAILED), Ended("x", FAILED)]
                return found

        state = tuned(asked(max_jobs=3), Chatty(lr_is_the_loss))
        assert statuses(state) == [DONE] * 3
        assert min(trial.value or 0.0 for trial in state.trials) > 0


class TestStopping:
    def test_early_stopping_stops_the_bad_ones(self) -> None:
        script = by_number(n4=[9.0, 9.0, 9.0], n5=[0.5, 0.5, 0.5], rest=[1.0, 1.0, 1.0])
        runner = ScriptedRunner(script)
        state = tuned(asked(max_jobs=5, early_stopping="auto"), runner)
        assert statuses(state) == [DONE, DONE, DONE, STOPPED, DONE]
        stopped = state.trials[3]
        assert runner.stopped == [stopped.name]
        assert stopped.history == ((1, 9.0),)
        assert stopped.value == 9.0
        assert stopped.reason.startswith("early stopping: 9 at step 1 is worse than 1")
        assert state.best is state.trials[4]

    def test_without_it_none_is_stopped(self) -> None:
        runner = ScriptedRunner(by_number(n4=[9.0, 9.0, 9.0], rest=[1.0, 1.0, 1.0]))
        tuned(asked(max_jobs=5), runner)
        assert runner.stopped == []

    def test_a_trial_may_complete_before_its_stop_arrives(self) -> None:
        class Deaf(ScriptedRunner):
            def stop(self, trial_name: str) -> None:
                self.asked_to_stop = trial_name

        runner = Deaf(by_number(n4=[9.0, 0.1], rest=[1.0, 1.0]))
        state = tuned(asked(max_jobs=4, early_stopping="auto"), runner)
        assert runner.asked_to_stop == state.trials[3].name
        assert statuses(state) == [DONE] * 4
        assert state.trials[3].reason == ""
        assert state.best is state.trials[3]

    def test_hyperband_trains_few_to_the_end(self) -> None:
        def script(trial: Trial) -> Sequence[Mapping[str, float]]:
            lr = float(trial.hyperparameters["lr"])
            return [{"loss": lr + 1 / epoch} for epoch in range(1, 10)]

        runner = ScriptedRunner(script, capacity=2)
        settings = asked(strategy="hyperband", max_jobs=36, max_parallel_jobs=2, hyperparameters={"epochs": 9})
        state = tuned(settings, runner)
        epochs = sum(len(trial.history) for trial in state.trials)
        assert state.counts[STOPPED] > state.counts[DONE] > 0
        assert epochs < 36 * 9 * 0.6
        assert "hyperband" in next(trial.reason for trial in state.trials if trial.status is STOPPED)

    def test_the_target_ends_it_and_stops_the_others(self) -> None:
        runner = ScriptedRunner(by_number(n1=[5.0] * 50, n2=[3.0], n3=[0.5], rest=[2.0]), capacity=2)
        state = tuned(asked(max_jobs=20, max_parallel_jobs=2, target_value=0.5), runner)
        assert state.status is TuningStatus.COMPLETED
        assert statuses(state) == [STOPPED, DONE, DONE]
        assert "reached the target: loss 0.5" in state.reason
        assert state.trials[0].reason == state.reason
        assert not state.trials[0].interrupted

    def test_the_runtime_ends_it(self) -> None:
        seconds = itertools.count()
        state = tuned(
            asked(max_jobs=500, max_runtime_seconds=100), ScriptedRunner(lr_is_the_loss), timer=lambda: next(seconds)
        )
        assert state.status is TuningStatus.COMPLETED
        assert "the runtime of 100 s is over" in state.reason
        assert 1 < len(state.trials) < 100

    def test_a_runtime_too_short_for_one_trial_is_a_failure(self) -> None:
        seconds = itertools.count()
        runner = ScriptedRunner(by_number(rest=[1.0] * 1000))
        state = tuned(asked(max_runtime_seconds=20), runner, timer=lambda: next(seconds))
        assert state.status is TuningStatus.FAILED
        assert state.reason == "none of 1 trials was completed; the runtime of 20 s is over"

    def test_a_trial_that_does_not_stop_is_left_to_the_runner(self) -> None:
        class Stubborn(ScriptedRunner):
            def stop(self, trial_name: str) -> None:
                self.ignored = trial_name

        seconds = itertools.count()
        runner = Stubborn(by_number(n1=[1.0], rest=[2.0] * 10_000))
        settings = asked(max_jobs=5, max_runtime_seconds=30)
        state = tuned(settings, runner, timer=lambda: next(seconds))
        assert statuses(state) == [DONE, STOPPED]
        assert runner.closed


class TestInterruptions:
    def interrupted(self, store: TuningStore, at: int, **values: Any) -> tuple[TuningState, ScriptedRunner]:
        calls = itertools.count(1)

        def press(_: ScriptedRunner) -> None:
            if next(calls) == at:
                raise KeyboardInterrupt

        runner = ScriptedRunner(lr_is_the_loss, capacity=2, before_events=press)
        return tuned(asked(max_jobs=6, max_parallel_jobs=2, **values), runner, store), runner

    @pytest.mark.parametrize("at", [1, 2, 4, 5, 6, 9])
    def test_ctrl_c_stops_the_trials_and_can_be_gone_on_from(self, at: int) -> None:
        store = MemoryTuningStore()
        state, runner = self.interrupted(store, at)
        assert state.status is TuningStatus.STOPPED
        assert state.reason == "interrupted"
        assert state == store.handle().load("t")
        assert state.running == ()
        assert runner.closed
        left = [trial for trial in state.trials if trial.status is STOPPED]
        assert len(left) == 2
        assert all(trial.interrupted for trial in left)
        assert set(runner.stopped) == {trial.name for trial in left}

        finished = [trial for trial in state.trials if trial.status is DONE]
        again = ScriptedRunner(lr_is_the_loss, capacity=2)
        final = tuned(asked(max_jobs=6, max_parallel_jobs=2), again, store.handle())
        assert final.status is TuningStatus.COMPLETED
        assert statuses(final) == [DONE] * 6
        assert [trial.number for trial in final.trials] == [1, 2, 3, 4, 5, 6]
        assert [trial for trial in final.trials if trial in finished] == finished
        assert [trial.name for trial in again.started][:2] == [trial.name for trial in left]
        assert {trial.attempt for trial in final.trials} == {1, 2}
        assert final.attempt == 2

    def test_a_second_ctrl_c_does_not_wait(self) -> None:
        presses = itertools.count(1)

        def press(_: ScriptedRunner) -> None:
            if next(presses) >= 3:
                raise KeyboardInterrupt

        store = MemoryTuningStore()
        state = tuned(asked(), ScriptedRunner(lr_is_the_loss, before_events=press), store)
        assert state.status is TuningStatus.STOPPED
        assert [trial.interrupted for trial in state.trials] == [True]

    def test_stop_from_another_thread(self) -> None:
        tuner: list[Tuner] = []
        runner = ScriptedRunner(lr_is_the_loss, before_events=lambda one: tuner[0].stop() if one.started[2:] else None)
        tuner.append(Tuner(asked(max_jobs=9), runner, MemoryTuningStore(), ticking()))
        state = tuner[0].run()
        assert state.status is TuningStatus.STOPPED
        assert state.reason == "stopped by its owner"
        assert statuses(state) == [DONE, DONE, STOPPED]

    def test_trials_killed_by_the_same_ctrl_c_are_not_failures(self) -> None:
        class Killed(ScriptedRunner):
            def events(self, timeout_seconds: float) -> Sequence[TrialEvent]:
                if self.stopped:
                    return [Ended(name, FAILED, "killed by signal 2") for name in self.stopped]
                found = list(super().events(timeout_seconds))
                if len(self.started) == 2:
                    raise KeyboardInterrupt
                return found

        state = tuned(asked(), Killed(lr_is_the_loss))
        assert statuses(state) == [DONE, STOPPED]
        assert state.trials[1].interrupted

    @pytest.mark.parametrize("after", range(1, 12))
    def test_ctrl_c_between_a_write_and_its_return(self, after: int) -> None:
        """Python raises KeyboardInterrupt anywhere, so also when the store has written and has not said so."""

        class Late(RecordTuningStore):  # pyright: ignore[reportGeneralTypeIssues]
            writes = 0

            def save_trial(self, state: TuningState, trial: Trial) -> None:
                super().save_trial(state, trial)
                self.writes += 1
                if self.writes == after:
                    raise KeyboardInterrupt

        records = Records.open("sqlite://")
        state = tuned(asked(max_jobs=6), ScriptedRunner(lr_is_the_loss), Late(records))
        assert state.status is TuningStatus.STOPPED
        assert RecordTuningStore(records).load("t") == state
        final = tuned(asked(max_jobs=6), ScriptedRunner(lr_is_the_loss), RecordTuningStore(records))
        assert statuses(final) == [DONE] * 6
        records.close()

    def test_a_fault_is_raised_and_leaves_it_to_be_gone_on_from(self) -> None:
        def break_down(runner: ScriptedRunner) -> None:
            if len(runner.started) == 2:
                raise RuntimeError("the workers are gone")

        store = MemoryTuningStore()
        runner = ScriptedRunner(lr_is_the_loss, before_events=break_down)
        with pytest.raises(RuntimeError, match="the workers are gone"):
            tuned(asked(), runner, store)
        assert runner.closed
        left = store.handle().load("t")
        assert left.status is TuningStatus.STOPPED
        assert left.reason == "the tuner failed: the workers are gone"
        assert statuses(tuned(asked(), ScriptedRunner(lr_is_the_loss), store.handle())) == [DONE] * 4

    def test_a_store_that_fails_is_what_is_raised(self) -> None:
        class Full(RecordTuningStore):  # pyright: ignore[reportGeneralTypeIssues]
            def save_trial(self, state: TuningState, trial: Trial) -> None:
                if trial.number == 2:
                    raise StorageFailed("the disk is full")
                super().save_trial(state, trial)

        records = Records.open("sqlite://")
        runner = ScriptedRunner(lr_is_the_loss)
        with pytest.raises(StorageFailed, match="the disk is full"):
            tuned(asked(), runner, Full(records))
        assert runner.closed
        records.close()

    def test_a_coordinator_that_was_replaced_leaves_everything_alone(self) -> None:
        store = MemoryTuningStore()
        newer: list[TuningState] = []

        def replace_it(runner: ScriptedRunner) -> None:
            if len(runner.started) == 2 and not newer:
                newer.append(tuned(asked(), ScriptedRunner(lr_is_the_loss), store.handle()))

        older = ScriptedRunner(lr_is_the_loss, before_events=replace_it)
        with pytest.raises(Conflict):
            tuned(asked(), older, store)
        assert older.closed
        assert newer[0].status is TuningStatus.COMPLETED
        assert store.handle().load("t") == newer[0]

    def test_of_two_that_begin_at_once_one_is_refused(self) -> None:
        class Slow(MemoryTuningStore):  # pyright: ignore[reportGeneralTypeIssues]
            def find(self, name: str) -> TuningState | None:
                found = super().find(name)
                if not winner:
                    winner.append(tuned(asked(), ScriptedRunner(lr_is_the_loss), store.handle()))
                return found

        winner: list[TuningState] = []
        store = MemoryTuningStore()
        slow = Slow()
        slow._content = store._content
        with pytest.raises(Conflict):
            tuned(asked(), ScriptedRunner(lr_is_the_loss), slow)
        assert store.handle().load("t") == winner[0]
        assert winner[0].status is TuningStatus.COMPLETED

    def test_trials_that_wait_to_begin_again_are_not_lost_by_another_ctrl_c(self) -> None:
        store = MemoryTuningStore()
        dying = ScriptedRunner(lr_is_the_loss, capacity=3, before_events=lambda _: sys.exit())
        with pytest.raises(SystemExit):
            tuned(asked(max_jobs=6, max_parallel_jobs=3), dying, store)
        assert statuses(store.handle().load("t")) == [TrialStatus.IN_PROGRESS] * 3

        def press(_: ScriptedRunner) -> None:
            raise KeyboardInterrupt

        settings = asked(max_jobs=6, max_parallel_jobs=3)
        left = tuned(settings, ScriptedRunner(lr_is_the_loss, before_events=press), store.handle())
        assert [(trial.status, trial.interrupted, trial.attempt) for trial in left.trials] == [
            (STOPPED, True, 2), (STOPPED, True, 1), (STOPPED, True, 1),
        ]  # fmt: skip
        final = tuned(settings, ScriptedRunner(lr_is_the_loss), store.handle())
        assert statuses(final) == [DONE] * 6

    def test_an_early_stop_that_was_decided_is_not_run_again(self) -> None:
        """The coordinator dies between asking a trial to stop and hearing that it has."""
        store = MemoryTuningStore()
        settings = asked(max_jobs=5, early_stopping="auto")
        script = by_number(n4=[9.0, 9.0], rest=[1.0, 1.0])

        def die(runner: ScriptedRunner) -> None:
            if runner.stopped:
                raise SystemExit            # like kill -9: nothing is written any more

        with pytest.raises(SystemExit):
            tuned(settings, ScriptedRunner(script, before_events=die), store)
        assert store.handle().load("t").trials[3].status is TrialStatus.STOPPING
        runner = ScriptedRunner(script)
        final = tuned(settings, runner, store.handle())
        assert statuses(final) == [DONE, DONE, DONE, STOPPED, DONE]
        assert final.trials[3].value == 9.0
        assert [trial.number for trial in runner.started] == [5]


class TestWriting:
    class Counting(RecordTuningStore):  # pyright: ignore[reportGeneralTypeIssues]
        def __init__(self, records: Records) -> None:
            super().__init__(records)
            self.trial_writes = 0

        def save_trial(self, state: TuningState, trial: Trial) -> None:
            self.trial_writes += 1
            super().save_trial(state, trial)

    def writes(self, tmp_path: Path, timer: Callable[[], float]) -> int:
        records = Records.open(f"sqlite:///{tmp_path}/records.db")
        store = self.Counting(records)
        tuned(asked(max_jobs=4), ScriptedRunner(by_number(rest=[1.0] * 30)), store, timer=timer)
        records.close()
        return store.trial_writes

    def test_one_write_per_change_and_reports_in_batches(self, tmp_path: Path) -> None:
        assert self.writes(tmp_path, lambda: 0.0) == 8      # begun and ended, four times

    def test_reports_are_written_for_those_who_watch(self, tmp_path: Path) -> None:
        seconds = itertools.count(step=0.2)
        assert 8 < self.writes(tmp_path, lambda: next(seconds)) < 8 + 4 * 30


def test_the_ranges_of_the_seeds() -> None:
    texts = ["lr=0.001:0.1", "batch-size=16,64,256,1024", "epochs=2..4", "eps=1e-7:1e-6"]
    settings = asked(space=Space(tuple(parse_range(text) for text in texts)), max_jobs=20)
    for trial in tuned(settings, ScriptedRunner(lr_is_the_loss)).trials:
        assert 0.001 <= float(trial.hyperparameters["lr"]) <= 0.1
        assert trial.hyperparameters["batch-size"] in {16, 64, 256, 1024}
        assert trial.hyperparameters["epochs"] in {2, 3, 4}
        assert 1e-7 <= float(trial.hyperparameters["eps"]) <= 1e-6
