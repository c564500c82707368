"""The contract of the record store, over every store there is; and what is special about each."""

from __future__ import annotations

import contextlib
import multiprocessing
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.records.cluster import Cluster
from tests.records.contract import Clock, RecordsContract, plus_one
from tintype.errors import Conflict, InvalidRequest, StorageFailed
from tintype.records import SCHEMA_VERSION, Measurement, Records, engine


class TestMemory(RecordsContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return "sqlite://"

    def test_two_stores_in_memory_are_two(self) -> None:
        one, two = Records.open("sqlite://"), Records.open("sqlite://")
        one.create("job", "a", {})
        assert two.find("job", "a") is None
        one.close()
        two.close()


class TestSqliteFile(RecordsContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'new folder' / 'records.db'}"

    def test_a_store_survives_its_process(self, url: str) -> None:
        first = Records.open(url, Clock())
        created = first.create("job", "one", {"n": 1})
        first.close()
        second = Records.open(url)
        assert second.get("job", "one") == created
        second.close()

    def test_a_conflict_is_seen_across_connections(self, url: str) -> None:
        one, two = Records.open(url), Records.open(url)
        read = one.create("job", "a", {"n": 1})
        two.replace(two.get("job", "a"), {"n": 2})
        with pytest.raises(Conflict):
            one.replace(read, {"n": 3})
        one.close()
        two.close()


class TestPostgres(RecordsContract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url

    def test_processes_that_make_one_store_and_write_to_it_lose_nothing(self, url: str) -> None:
        assert in_processes(3, open_and_write, url) == [0, 0, 0]
        store = Records.open(url)
        assert store.get("job", "counter").document == {"n": 75}
        assert len(store.measurements("shared")) == 75
        store.close()

    def test_a_server_that_was_restarted_is_found_again(self, url: str, cluster: Cluster) -> None:
        store = Records.open(url)
        store.create("job", "a", {})
        cluster.restart()
        store.create("job", "b", {})
        assert store.names("job") == ["a", "b"]
        store.close()

    def test_no_such_database(self, url: str) -> None:
        with pytest.raises(StorageFailed, match="cannot be used as a store"):
            Records.open(url.replace("/postgres?", "/nothing?"))


def in_processes(count: int, target: Callable[..., None], *arguments: object) -> list[int | None]:
    """The exit codes of `count` fresh processes that start together."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    running = [context.Process(target=target, args=(barrier, number, *arguments)) for number in range(count)]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    return [process.exitcode for process in running]


def open_and_write(barrier: threading.Barrier, number: int, url: str) -> None:
    barrier.wait(60)
    store = Records.open(url)
    with contextlib.suppress(Conflict):         # one of them is first
        store.create("job", "counter", {"n": 0})
    for _ in range(25):
        store.update("job", "counter", plus_one)
        store.measure("shared", [Measurement("n", number, 1.0)])
    store.close()


def test_processes_that_make_one_store_and_write_to_it_lose_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    assert in_processes(3, open_and_write, url) == [0, 0, 0]
    store = Records.open(url)
    assert store.get("job", "counter").document == {"n": 75}
    assert len(store.measurements("shared")) == 75
    store.close()


def test_threads_that_make_one_store_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        url = f"sqlite:///{tmp_path / str(attempt) / 'records.db'}"
        barrier = threading.Barrier(6)
        outcomes: list[object] = []

        def make(url: str = url, barrier: threading.Barrier = barrier, outcomes: list[object] = outcomes) -> None:
            barrier.wait()
            try:
                Records.open(url).close()
            except StorageFailed as error:
                outcomes.append(error)

        threads = [threading.Thread(target=make) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == []
        with sqlite3.connect(tmp_path / str(attempt) / "records.db") as connection:
            assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
        connection.close()


def test_a_killed_writer_leaves_a_whole_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    code = (
        "import os, sys; from tintype.records import Records, Measurement; store = Records.open(sys.argv[1]); "
        "store.create('job', 'a', {'n': 1}); print('ready', flush=True)\n"
        "while True: store.measure('a', [Measurement('x', 1, 1.0)])"
    )
    with subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    store = Records.open(url)
    assert store.get("job", "a").document == {"n": 1}
    store.create("job", "b", {})
    store.close()
    connection = sqlite3.connect(tmp_path / "records.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_store_of_a_newer_tintype_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    Records.open(url).close()
    connection = sqlite3.connect(tmp_path / "records.db")
    connection.execute("UPDATE schema_version SET version = ?", (SCHEMA_VERSION + 1,))
    connection.commit()
    connection.close()
    with pytest.raises(StorageFailed, match=rf"newer Tintype \(schema {SCHEMA_VERSION + 1}, this one knows"):
        Records.open(url)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello, this is certainly not a database " * 100)
    with pytest.raises(StorageFailed, match=r"text\.db cannot be used as a store"):
        Records.open(f"sqlite:///{tmp_path / 'text.db'}")
    with pytest.raises(StorageFailed, match="cannot be used as a store"):
        Records.open(f"sqlite:///{tmp_path}")
    with pytest.raises(StorageFailed, match="cannot make"):
        Records.open(f"sqlite:///{tmp_path / 'text.db' / 'records.db'}")


@pytest.mark.parametrize("url", ["", "nonsense", "nosuchdatabase://host/db", "postgresql+nosuchdriver://user:secret@host/db"])
def test_a_url_of_no_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Records.open(url)
    assert "secret" not in str(caught.value)


def test_a_store_that_breaks_later_says_so(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    store = Records.open(f"sqlite:///{path}")
    store.create("job", "a", {})
    store.close()
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 20_000)
    with pytest.raises(StorageFailed):
        store.get("job", "a")
    store.close()


def test_a_locked_store_says_so_instead_of_waiting_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    store = Records.open(f"sqlite:///{tmp_path / 'records.db'}")
    other = sqlite3.connect(tmp_path / "records.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match="locked"):
        store.create("job", "a", {})
    other.rollback()
    other.close()
    store.create("job", "a", {})
    store.close()


