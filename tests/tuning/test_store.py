from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tintype.errors import Conflict, NotFound
from tintype.records import Records
from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Categorical, Continuous
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import MemoryTuningStore, RecordTuningStore, TuningStore
from tintype.tuning.trial import Trial, TrialStatus

SPACE = Space((Continuous("lr", 0.001, 0.1), Categorical("batch-size", (16, 64))))
SETTINGS = TuningSettings(name="ants", space=SPACE, objective="valid:loss", direction=Direction.MINIMIZE)
STATE = TuningState(SETTINGS, notes=("a note",), attempt=1)

Opener = Callable[[], TuningStore]


def trial(number: int) -> Trial:
    return Trial(number, f"ants-{number:03d}-00000000", {"lr": 0.1, "batch-size": 16}, ("lr", "batch-size"))


class TuningStoreContract:
    """Every store passes this. `opened` opens the same content once more, as another process would."""

    def test_what_was_saved_is_loaded_elsewhere(self, opened: Opener) -> None:
        writer = opened()
        writer.save(STATE)
        for number in (2, 1, 3):
            writer.save_trial(STATE, trial(number))
        ended = trial(2).reported({"valid:loss": 0.5}, [(1, 0.5)]).ended(TrialStatus.COMPLETED, 7.0, value=0.5)
        writer.save_trial(STATE, ended)
        stopped = STATE.moved(TuningStatus.STOPPED, reason="interrupted", seconds=3.5)
        writer.save(stopped)
        assert opened().load("ants") == replace(stopped, trials=(trial(1), ended, trial(3)))

    def test_what_is_not_there(self, opened: Opener) -> None:
        store = opened()
        assert store.find("ants") is None
        with pytest.raises(NotFound, match="there is no tuning job named 'ants'; there are none yet"):
            store.load("ants")
        store.save(STATE)
        with pytest.raises(NotFound, match="did you mean 'ants'"):
            store.load("ant")
        assert store.names() == ["ants"]

    def test_trials_belong_to_one_tuning_job(self, opened: Opener) -> None:
        store = opened()
        other = replace(STATE, settings=SETTINGS.model_copy(update={"name": "bees"}))
        store.save(STATE)
        store.save(other)
        store.save_trial(STATE, trial(1))
        assert store.load("bees").trials == ()

    def test_a_name_is_taken_once(self, opened: Opener) -> None:
        opened().save(STATE)
        with pytest.raises(Conflict, match="ants"):
            opened().save(STATE)

    def test_a_trial_is_made_once(self, opened: Opener) -> None:
        first, second = opened(), opened()
        first.save(STATE)
        first.save_trial(STATE, trial(1))
        with pytest.raises(Conflict, match="ants-001"):
            second.save_trial(STATE, trial(1))

    def test_of_two_coordinators_the_older_one_is_shut_out(self, opened: Opener) -> None:
        older = opened()
        older.save(STATE)
        older.save_trial(STATE, trial(1))
        newer = opened()
        again = newer.load("ants").trials[0].begun_again(9.0)
        newer.save_trial(STATE, again)
        with pytest.raises(Conflict, match="ants-001"):
            older.save_trial(STATE, trial(1).ended(TrialStatus.COMPLETED, 9.0, value=0.1))
        assert newer.load("ants").trials == (again,)


class TestMemoryTuningStore(TuningStoreContract):
    @pytest.fixture
    def opened(self) -> Opener:
        return MemoryTuningStore().handle


class TestRecordTuningStore(TuningStoreContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Iterator[Opener]:
        kept: list[Records] = []

        def open_store() -> TuningStore:
            kept.append(Records.open(f"sqlite:///{tmp_path}/records.db"))
            return RecordTuningStore(kept[-1])

        yield open_store
        for records in kept:
            records.close()

    def test_only_what_has_changed_is_read_again(self, tmp_path: Path) -> None:
        records = Records.open(f"sqlite:///{tmp_path / 'records.db'}")
        writer, reader = RecordTuningStore(records), RecordTuningStore(records)
        writer.save(STATE)
        writer.save_trial(STATE, trial(1))
        first = reader.load("ants")
        assert reader.refreshed(first) is first
        for number in (2, 3):
            writer.save_trial(STATE, trial(number))
        writer.save_trial(STATE, trial(1).ended(TrialStatus.FAILED, 7.0, reason="no"))
        second = reader.refreshed(first)
        assert second == reader.load("ants")
        assert [one.status for one in second.trials] == [TrialStatus.FAILED] + [TrialStatus.IN_PROGRESS] * 2
        writer.save(STATE.moved(TuningStatus.COMPLETED))
        assert reader.refreshed(second).status is TuningStatus.COMPLETED
        records.close()

    def test_records_are_filed_so_that_others_find_them(self, tmp_path: Path) -> None:
        records = Records.open(f"sqlite:///{tmp_path}/records.db")
        store = RecordTuningStore(records)
        store.save(STATE)
        store.save_trial(STATE, trial(1))
        assert records.get("tuning-job", "ants").status == "InProgress"
        assert [one.status for one in records.list("trial", parent="ants")] == ["InProgress"]
        records.close()
