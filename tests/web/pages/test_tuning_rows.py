"""The lines of tuning jobs that a page asks for again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy import event

from tests.tuning.test_store import STATE, trial
from tintype.pipeline.tuning_plan import PLAN_KIND
from tintype.records import Owner, Records
from tintype.tuning.state import TuningStatus
from tintype.tuning.store import TRIAL_KIND, TUNING_KIND, RecordTuningStore
from tintype.tuning.trial import TrialStatus
from tintype.web.pages.tuning_rows import TuningRows

TRIALS = 30


@contextmanager
def trials_read() -> Iterator[list[str]]:
    """The statements that read documents of trials."""
    found: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        if "documents.document" in statement and TRIAL_KIND in str(parameters):
            found.append(statement)

    event.listen(sql.Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(sql.Engine, "before_cursor_execute", note)


@pytest.fixture
def records() -> Iterator[Records]:
    store = Records.open("sqlite://")
    yield store
    store.close()


@pytest.fixture
def writer(records: Records) -> RecordTuningStore:
    """The coordinator's side of a tuning job that goes on."""
    store = RecordTuningStore(records)
    records.create(PLAN_KIND, STATE.name, {})
    store.save(STATE)
    for number in range(1, TRIALS + 1):
        store.save_trial(STATE, trial(number))
    records.lease(TUNING_KIND, STATE.name, Owner.of())
    return store


def test_only_what_has_changed_is_read_again(records: Records, writer: RecordTuningStore) -> None:
    rows = TuningRows(records)
    (first,) = rows.newest(8)
    assert (first["name"], first["trials"], first["status"], first["under_way"]) == ("ants", TRIALS, "InProgress", True)
    with trials_read() as read:
        assert rows.newest(8) == [first]
    assert read == []
    ended = trial(7).reported({"valid:loss": 0.5}, [(1, 0.5)]).ended(TrialStatus.COMPLETED, 7, value=0.5)
    writer.save_trial(STATE, ended)
    with trials_read() as read:
        (second,) = rows.newest(8)
    assert len(read) == 1
    assert second["best"] == 0.5


def test_one_that_has_ended_is_read_once(records: Records, writer: RecordTuningStore) -> None:
    rows = TuningRows(records)
    rows.newest(8)
    writer.save(STATE.moved(TuningStatus.COMPLETED))
    (ended,) = rows.newest(8)
    assert (ended["status"], ended["under_way"]) == ("Completed", False)
    with trials_read() as read:
        assert rows.newest(8) == [ended]
    assert read == []


def test_one_whose_coordinator_is_gone_is_shown_as_stopped(records: Records, writer: RecordTuningStore) -> None:
    rows = TuningRows(records)
    lease = records.holder(TUNING_KIND, STATE.name)
    assert rows.newest(8)[0]["under_way"]
    assert lease is not None
    records.release(lease)
    assert rows.newest(8)[0]["status"] == "Stopped"


@pytest.mark.parametrize("ended", [True, False])
def test_a_name_that_is_used_again_is_another_tuning_job(
    records: Records, writer: RecordTuningStore, ended: bool
) -> None:
    rows = TuningRows(records)
    if ended:
        writer.save(STATE.moved(TuningStatus.COMPLETED))
    assert rows.newest(8)[0]["trials"] == TRIALS
    for record in records.list(TRIAL_KIND, parent=STATE.name):
        records.delete(TRIAL_KIND, record.name)
    records.delete(TUNING_KIND, STATE.name)
    second = RecordTuningStore(records)
    second.save(STATE)
    if ended:
        second.save(STATE.moved(TuningStatus.COMPLETED))        # as many changes as the first has seen
    assert rows.newest(8)[0]["trials"] == 0
