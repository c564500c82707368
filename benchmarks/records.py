"""The store with 100,000 jobs in it: a page of a list, a job's measurements, a write with a lease.

    python -m benchmarks.records [--jobs 100000] [--url URL]

Prints CPU milliseconds per call (median of `REPEATS`, this process; with PostgreSQL also the time on the wall, as the
server's work is not ours). The documents are as large as those of real trials.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sql

from tintype.records import Lease, Measurement, Owner, Records, SortBy
from tintype.records.engine import connect

KIND = "training-job"
REPEATS = 15
PAGE = 100
STATUSES = ("Completed", "Completed", "Completed", "Failed", "Stopped")
DOCUMENT = '{"hyperparameters": {"lr": "0.0123"}, "spec": "' + "x" * 2000 + '"}'


def fill(url: str, jobs: int) -> None:
    """Jobs of which nine in ten are trials, written in bulk."""
    chance = random.Random(1)
    rows = []
    for number in range(jobs):
        parent = f"tuning-{number // 100:05d}" if number % 10 else ""
        name = f"{parent or 'single'}-{number:06d}-{chance.randrange(2**32):08x}"
        at = 1_700_000_000.0 + number
        rows.append((KIND, name, 3, chance.choice(STATUSES), parent, at, at + 60, DOCUMENT))
    engine = connect(url)
    names = ("kind", "name", "version", "status", "parent", "created_at", "updated_at", "document")
    statement = sql.text(f"INSERT INTO documents VALUES ({', '.join(':' + one for one in names)})")
    with engine.begin() as connection:
        for start in range(0, jobs, 5000):
            connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows[start : start + 5000]])
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def cases(records: Records, jobs: int) -> dict[str, Callable[[], object]]:
    """What is measured, by what a person would call it."""
    middle = 1_700_000_000.0 + jobs // 2
    read = records.get(KIND, records.list(KIND, limit=1)[0].name)
    lease: Lease = records.lease(KIND, read.name, Owner.of())
    records.measure(read.name, [Measurement("loss", step, 0.5) for step in range(1000)])

    def write() -> object:
        return records.update(KIND, read.name, lambda record: (record.document, record.status), lease=lease)

    def page(**options: object) -> Callable[[], object]:
        return lambda: records.list(KIND, limit=PAGE, **options)  # type: ignore[arg-type]

    return {
        "newest": page(),
        "newest that are no trials": page(parent=""),
        "last page": page(offset=jobs - PAGE),
        "last page by name": page(offset=jobs - PAGE, sort_by=SortBy.NAME),
        "failed": page(status="Failed"),
        "failed, no trials, page 10": page(status="Failed", parent="", offset=10 * PAGE),
        "last page of the failed": page(status="Failed", offset=jobs // 5 - 2 * PAGE),
        "trials of a tuning job": page(parent=f"tuning-{jobs // 200:05d}"),
        "name contains, common": page(name_contains="00-"),
        "name contains, none does": page(name_contains="nowhere"),
        "failed, name contains, none does": page(status="Failed", name_contains="nowhere"),
        "a time between": page(created_after=middle, created_before=middle + 5000, ascending=True),
        "last modified": page(sort_by=SortBy.LAST_MODIFIED_TIME),
        "modified before, sorted by name": page(changed_before=middle, sort_by=SortBy.NAME),
        "by status, page 500": page(sort_by=SortBy.STATUS, offset=jobs // 2),
        "count": lambda: records.count(KIND),
        "count of failed that are no trials": lambda: records.count(KIND, status="Failed", parent=""),
        "measurements, none new": lambda: records.measurements(read.name, after=2**40),
        "one document": lambda: records.get(KIND, read.name),
        "update with a lease": write,
    }


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """(CPU, wall) milliseconds, medians."""
    call()
    cpu, wall = [], []
    for _ in range(REPEATS):
        cpu_at, at = time.process_time(), time.perf_counter()
        call()
        cpu.append(time.process_time() - cpu_at)
        wall.append(time.perf_counter() - at)
    return 1000 * statistics.median(cpu), 1000 * statistics.median(wall)


def main(arguments: list[str]) -> None:
    """Fill a store and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--url", default="", help="an empty database; an SQLite file by default")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"sqlite:///{Path(folder) / 'tintype.db'}"
        Records.open(url).close()
        fill(url, given.jobs)
        records = Records.open(url)
        for name, call in cases(records, given.jobs).items():
            cpu, wall = timed(call)
            print(f"{name:40} {cpu:8.2f} ms CPU {wall:8.2f} ms")
        records.close()


if __name__ == "__main__":
    main(sys.argv[1:])
