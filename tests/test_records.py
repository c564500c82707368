"""The contract of the record store, over every store there is."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tintype import records as records_module
from tintype.errors import Conflict, InvalidRequest, NotFound, StorageFailed
from tintype.records import SCHEMA_VERSION, Measurement, Record, Records


class Clock:
    """Seconds that pass when asked."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


class RecordsContract:
    """What every store must do; a subclass says where the store is."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        raise NotImplementedError

    @pytest.fixture
    def records(self, url: str) -> Iterator[Records]:
        opened = Records.open(url, Clock())
        yield opened
        opened.close()

    def test_what_was_created_is_read_back(self, records: Records) -> None:
        document = {"a": [1, 2.5, None, True], "Ünï": {"画": "像"}, "big": 2**60}
        created = records.create("training-job", "one", document, status="InProgress", parent="run-1")
        assert created == records.get("training-job", "one") == records.find("training-job", "one")
        assert created.document == document
        assert (created.version, created.status, created.parent) == (1, "InProgress", "run-1")
        assert created.created_at == created.updated_at

    def test_a_name_is_taken_once_in_a_kind(self, records: Records) -> None:
        records.create("training-job", "one", {})
        with pytest.raises(Conflict, match="a training job named 'one' is there already"):
            records.create("training-job", "one", {"other": 1})
        records.create("endpoint", "one", {})
        assert records.get("training-job", "one").document == {}

    def test_a_missing_name_lists_near_ones(self, records: Records) -> None:
        with pytest.raises(NotFound, match="no training job named 'ant'; there are none"):
            records.get("training-job", "ant")
        records.create("training-job", "ants", {})
        with pytest.raises(NotFound, match="did you mean 'ants'"):
            records.get("training-job", "ant")
        assert records.find("training-job", "ant") is None

    def test_a_change_raises_the_version_and_keeps_the_birth(self, records: Records) -> None:
        created = records.create("job", "one", {"n": 1}, status="a", parent="p")
        changed = records.replace(created, {"n": 2}, status="b")
        assert changed == records.get("job", "one")
        assert (changed.version, changed.status, changed.parent, changed.document) == (2, "b", "p", {"n": 2})
        assert changed.created_at == created.created_at < changed.updated_at
        assert records.replace(changed, {"n": 3}).status == "b"

    def test_the_second_of_two_writers_gets_a_conflict(self, records: Records) -> None:
        read = records.create("job", "one", {"n": 1})
        records.replace(read, {"n": 2})
        with pytest.raises(Conflict, match="read it again"):
            records.replace(read, {"n": 3})
        assert records.get("job", "one").document == {"n": 2}

    def test_a_deleted_record_cannot_be_replaced(self, records: Records) -> None:
        read = records.create("job", "one", {})
        records.delete("job", "one")
        with pytest.raises(Conflict, match="changed or deleted"):
            records.replace(read, {})
        with pytest.raises(NotFound):
            records.delete("job", "one")
        with pytest.raises(NotFound):
            records.update("job", "one", lambda record: (record.document, record.status))

    def test_deleting_takes_a_history_only_when_asked(self, records: Records) -> None:
        records.measure("one", [Measurement("loss", 1, 0.5)])
        records.create("endpoint", "one", {})
        records.delete("endpoint", "one")
        assert len(records.measurements("one")) == 1
        with pytest.raises(NotFound):
            records.delete("job", "one", measurements=True)
        assert len(records.measurements("one")) == 1
        records.create("job", "one", {})
        records.delete("job", "one", measurements=True)
        assert records.measurements("one") == []

    def test_lists_are_newest_first_and_can_be_narrowed(self, records: Records) -> None:
        for number in range(6):
            records.create("job", f"j{number}", {}, status="ab"[number % 2], parent="xy"[number // 3])
        records.create("run", "r", {}, status="a", parent="x")

        def names(**options: object) -> list[str]:
            return [one.name for one in records.list("job", **options)]  # type: ignore[arg-type]

        assert names() == ["j5", "j4", "j3", "j2", "j1", "j0"]
        assert names(oldest_first=True, limit=2) == ["j0", "j1"]
        assert names(limit=2, offset=1) == ["j4", "j3"]
        assert names(status="a") == ["j4", "j2", "j0"]
        assert names(status="b", parent="y") == ["j5", "j3"]
        assert names(parent="z") == []
        assert names(offset=4) == ["j1", "j0"]
        assert records.names("job") == [f"j{number}" for number in range(6)]

    def test_measurements_come_back_in_order(self, records: Records) -> None:
        records.measure("one", [Measurement("loss", 1, 0.5), Measurement("accuracy", 1, 0.25, at=3.5)])
        records.measure("one", [Measurement("loss", 2, 0.125)])
        records.measure("two", [Measurement("loss", 9, 9.0)])
        records.measure("one", [])
        found = records.measurements("one")
        assert [(one.name, one.step, one.value) for one in found] == [
            ("loss", 1, 0.5), ("accuracy", 1, 0.25), ("loss", 2, 0.125),
        ]  # fmt: skip
        assert found[1].at == 3.5
        assert found[0].at > 1_700_000_000
        assert [one.step for one in records.measurements("one", "loss")] == [1, 2]
        assert records.measurements("nobody") == []

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1e308, 5e-324])
    def test_any_float_is_a_measurement(self, records: Records, value: float) -> None:
        records.measure("one", [Measurement("loss", 1, value)])
        (found,) = records.measurements("one")
        assert found.value == value or (math.isnan(found.value) and math.isnan(value))

    @pytest.mark.parametrize("name", ["", "a'b\"; DROP TABLE documents; --", "%", "画像", "a" * 256, "a\nb"])
    def test_any_text_is_a_name(self, records: Records, name: str) -> None:
        records.create("job", name, {"name": name}, status=name[:40], parent=name)
        records.create("job", "other", {})
        assert records.get("job", name).document == {"name": name}
        assert [one.name for one in records.list("job", parent=name) if name] in ([name], [])

    def test_threads_lose_nothing(self, records: Records) -> None:
        records.create("job", "counter", {"n": 0})
        failures: list[BaseException] = []

        def work(worker: int) -> None:
            try:
                for number in range(20):
                    records.update("job", "counter", plus_one)
                    records.create("job", f"{worker}-{number}", {})
                    records.measure("shared", [Measurement("n", number, float(worker))])
            except BaseException as error:      # a thread's failure must fail the test
                failures.append(error)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert records.get("job", "counter").document == {"n": 100}
        assert records.get("job", "counter").version == 101
        assert len(records.names("job")) == 101
        assert len(records.measurements("shared")) == 100


def plus_one(record: Record) -> tuple[dict[str, int], str]:
    return {"n": record.document["n"] + 1}, record.status


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
    monkeypatch.setattr(records_module, "BUSY_TIMEOUT_MS", 50)
    store = Records.open(f"sqlite:///{tmp_path / 'records.db'}")
    other = sqlite3.connect(tmp_path / "records.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match="locked"):
        store.create("job", "a", {})
    other.rollback()
    other.close()
    store.create("job", "a", {})
    store.close()


