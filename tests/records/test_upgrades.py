"""Old stores are upgraded in place. `stores/schema_1.db` was written by the code of 21 November 2026."""

from __future__ import annotations

import contextlib
import math
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from tintype.errors import StorageFailed
from tintype.records import SCHEMA_VERSION, Owner, Records
from tintype.records.engine import connect
from tintype.records.schema import UPGRADES
from tintype.tuning.state import TuningStatus
from tintype.tuning.store import RecordTuningStore

OLD = Path(__file__).with_name("stores") / "schema_1.db"

Rows = set[tuple[Any, ...]]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD, tmp_path / "tintype.db"))


def shape(path: Path) -> Rows:
    """Tables, columns and indices."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found: Rows = set()
        for table in tables:
            found |= {(table, *row[1:4]) for row in connection.execute(f"PRAGMA table_info({table})")}
            for row in connection.execute(f"PRAGMA index_list({table})").fetchall():
                columns = [one[2] for one in connection.execute(f"PRAGMA index_info({row[1]})")]
                found.add((table, row[1], *columns))
    return found


def version(path: Path) -> list[tuple[int]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT version FROM schema_version").fetchall()


def test_there_is_a_step_to_every_version() -> None:
    assert list(UPGRADES) == list(range(2, SCHEMA_VERSION + 1))


def test_an_old_store_keeps_all_it_held_and_can_do_what_is_new(old: Path) -> None:
    assert version(old) == [(1,)]
    records = Records.open(f"sqlite:///{old}")
    state = RecordTuningStore(records).load("ants")
    assert (state.status, state.reason, state.seconds) == (TuningStatus.STOPPED, "interrupted", 4.5)
    assert state.best is not None
    assert state.best.history == ((1, 0.5), (2, 0.75))
    assert [one.name for one in records.list("training-job")] == ["bees-251009-0853-20123", "ants-001-0a1b2c3d"]
    assert records.get("run", "ants").document == {"request": {"data": "ants"}}
    accuracy, loss, last = records.measurements("ants-001-0a1b2c3d")
    assert (accuracy.value, last.value) == (0.5, 0.75)
    assert math.isnan(loss.value)
    assert [one.id for one in records.measurements("ants-001-0a1b2c3d", after=loss.id)] == [last.id]
    assert records.lease("tuning-job", "ants", Owner.of()).token == 1
    records.close()


def test_an_upgraded_store_has_the_shape_of_a_new_one(old: Path, tmp_path: Path) -> None:
    Records.open(f"sqlite:///{old}").close()
    Records.open(f"sqlite:///{tmp_path / 'new.db'}").close()
    assert shape(old) == shape(tmp_path / "new.db")
    assert version(old) == [(SCHEMA_VERSION,)]


def test_several_openers_of_an_old_store_at_once(old: Path) -> None:
    outcomes: list[BaseException] = []
    barrier = threading.Barrier(5)

    def open_it() -> None:
        barrier.wait()
        try:
            records = Records.open(f"sqlite:///{old}")
            assert len(records.list("training-job")) == 2
            records.close()
        except BaseException as error:
            outcomes.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == []
    assert version(old) == [(SCHEMA_VERSION,)]


def test_an_upgrade_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shape(old)

    def half(connection: sql.Connection) -> None:
        UPGRADES[2](connection)
        raise MemoryError

    broken: dict[int, Callable[[sql.Connection], None]] = {2: half}
    monkeypatch.setattr("tintype.records.schema.UPGRADES", broken)
    with pytest.raises(MemoryError):
        Records.open(f"sqlite:///{old}")
    monkeypatch.undo()
    assert (shape(old), version(old)) == (before, [(1,)])
    Records.open(f"sqlite:///{old}").close()
    assert version(old) == [(SCHEMA_VERSION,)]


def test_an_opener_that_is_killed_in_the_upgrade_leaves_the_old_store(old: Path) -> None:
    code = (
        "import os, sys; from tintype.records import schema, Records; step = schema.UPGRADES[2]\n"
        "schema.UPGRADES = {2: lambda connection: (step(connection), os.kill(os.getpid(), 9))}\n"
        "Records.open(sys.argv[1])"
    )
    killed = subprocess.run([sys.executable, "-c", code, f"sqlite:///{old}"], check=False)
    assert killed.returncode == -9
    assert version(old) == [(1,)]
    Records.open(f"sqlite:///{old}").close()
    assert version(old) == [(SCHEMA_VERSION,)]


def test_opening_a_store_of_our_own_schema_needs_no_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tintype.db'}"
    code = "import sys; from tintype.records import Records; Records.open(sys.argv[1]).close(); " + (
        "assert not {'alembic', 'psycopg'} & sys.modules.keys()"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, url], check=True)


def test_a_first_schema_in_postgres_is_upgraded_too(postgres_url: str) -> None:
    engine = connect(postgres_url)
    with contextlib.closing(sqlite3.connect(OLD)) as connection, engine.begin() as made:
        for (statement,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"):
            made.exec_driver_sql(statement.replace("id INTEGER NOT NULL", "id SERIAL"))
        made.exec_driver_sql("INSERT INTO schema_version VALUES (1)")
        made.exec_driver_sql("INSERT INTO measurements (job, name, step, value, at) VALUES ('a', 'loss', 1, 0.5, 1)")
    Records.open(postgres_url).close()
    upgraded = columns(engine)
    with engine.begin() as made:
        made.exec_driver_sql("DROP TABLE documents, measurements, leases, schema_version")
    Records.open(postgres_url).close()
    assert upgraded == columns(engine)
    engine.dispose()


def columns(engine: sql.Engine) -> Rows:
    found = sql.inspect(engine)
    tables = found.get_table_names()
    types = {(table, one["name"], str(one["type"])) for table in tables for one in found.get_columns(table)}
    return types | {(table, one["name"], *one["column_names"]) for table in tables for one in found.get_indexes(table)}


def test_a_store_of_a_newer_tintype_is_refused_and_left_alone(old: Path) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection:
        connection.execute("UPDATE schema_version SET version = ?", (SCHEMA_VERSION + 1,))
        connection.commit()
    before = shape(old)
    with pytest.raises(StorageFailed, match=rf"newer Tintype \(schema {SCHEMA_VERSION + 1}, this one knows"):
        Records.open(f"sqlite:///{old}")
    assert shape(old) == before
