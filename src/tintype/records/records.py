"""The store: named documents with compare-and-set, measurements, leases.

A record is a JSON document under (kind, name), with a version that every change raises. `replace` succeeds only
on the version that was read, so that two writers cannot overwrite each other: the second gets a `Conflict`. A write
with a lease succeeds only while no newer lease was given out: otherwise `LeaseLost`.
`status` and `parent` are copied out of the document's owner so that lists can be filtered without reading documents.

SQLite (WAL) by default, PostgreSQL or any other SQLAlchemy URL otherwise. Safe to share between threads and between
processes, but not across a fork: open it after. Each method is one transaction. Timestamps are seconds since the epoch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from threading import RLock
from typing import Any, Unpack, final

import sqlalchemy as sql
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tintype.errors import Conflict, LeaseLost, NotFound, StorageFailed, not_found
from tintype.records import lease_rows, lists, tables
from tintype.records.engine import connect, is_one_connection, shown
from tintype.records.lease import Lease
from tintype.records.lists import Filters
from tintype.records.owner import Owner
from tintype.records.record import Json, Measurement, Record, SortBy
from tintype.records.schema import prepare
from tintype.records.tables import documents

MOST_NAMES_COMPARED = 1000          # for "did you mean": comparing all of a hundred thousand takes seconds


@final
class Records:
    """The store. Open it with `Records.open`; close it when done."""

    def __init__(self, engine: sql.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        # A store in memory is one connection, and one connection holds one transaction.
        self._one_at_a_time = RLock() if is_one_connection(engine) else nullcontext()

    @classmethod
    def open(cls, url: str, clock: Callable[[], float] = time.time) -> Records:
        """Open, make or upgrade the store at an SQLAlchemy URL; `sqlite://` is a private one in memory.

        Raises `InvalidRequest` for a URL that names no database we can speak to, and `StorageFailed` when it cannot be
        reached, or was written by a newer Tintype.
        """
        engine = connect(url)
        try:
            prepare(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, clock)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    # documents

    def create(
        self,
        kind: str,
        name: str,
        document: Mapping[str, Any],
        *,
        status: str = "",
        parent: str = "",
        lease: Lease | None = None,
    ) -> Record:
        """Add a document. `Conflict` when the name is taken; `LeaseLost` when the given lease is not the newest."""
        now = self._clock()
        record = Record(kind, name, 1, status, parent, now, now, dict(document))
        try:
            with self._transaction() as connection:
                if lease is not None:
                    lease_rows.guard(connection, lease)
                connection.execute(documents.insert().values(_row(record)))
        except IntegrityError as error:
            what = f"a {kind.replace('-', ' ')} named {name!r}"
            raise Conflict(f"{what} is there already; choose another name") from error
        return record

    def get(self, kind: str, name: str) -> Record:
        """The newest version. `NotFound` lists near names."""
        found = self.find(kind, name)
        if found is None:
            raise self._not_found(kind, name)
        return found

    def find(self, kind: str, name: str) -> Record | None:
        """The newest version, or None."""
        with self._transaction() as connection:
            row = connection.execute(documents.select().where(_is(kind, name))).one_or_none()
        return None if row is None else _record(row)

    def replace(
        self, read: Record, document: Mapping[str, Any], *, status: str | None = None, lease: Lease | None = None
    ) -> Record:
        """Store a new version of the record that was `read`.

        `Conflict` when it has changed since; `LeaseLost` when the given lease is not the newest.
        """
        written = replace(
            read,
            version=read.version + 1,
            status=read.status if status is None else status,
            updated_at=self._clock(),
            document=dict(document),
        )
        with self._transaction() as connection:
            if lease is not None:
                lease_rows.guard(connection, lease)
            changed = connection.execute(
                documents.update()
                .where(_is(read.kind, read.name), documents.c.version == read.version)
                .values(_row(written))
            ).rowcount
        if not changed:
            what = f"{read.kind.replace('-', ' ')} {read.name!r}"
            raise Conflict(f"{what} was changed or deleted by somebody else; read it again")
        return written

    def update(
        self,
        kind: str,
        name: str,
        change: Callable[[Record], tuple[Mapping[str, Any], str]],
        *,
        lease: Lease | None = None,
    ) -> Record:
        """Read, apply the pure function `change` (to document and status), write; again when somebody was faster.

        `LeaseLost` when the given lease is not the newest.
        """
        while True:
            read = self.get(kind, name)
            document, status = change(read)
            try:
                return self.replace(read, document, status=status, lease=lease)
            except LeaseLost:
                raise
            except Conflict:
                continue

    def delete(self, kind: str, name: str, *, measurements: bool = False) -> None:
        """Remove the document, and with `measurements` those under its name. `NotFound` when there is none.

        Whoever holds its lease can write no more, not even when the name is used again.
        """
        with self._transaction() as connection:
            gone = connection.execute(documents.delete().where(_is(kind, name))).rowcount
            if gone:
                lease_rows.revoke(connection, kind, name)
            if gone and measurements:
                connection.execute(tables.measurements.delete().where(tables.measurements.c.job == name))
        if not gone:
            raise self._not_found(kind, name)

    def list(
        self,
        kind: str,
        *,
        sort_by: SortBy = SortBy.CREATION_TIME,
        ascending: bool = False,
        limit: int | None = None,
        offset: int = 0,
        **filters: Unpack[Filters],
    ) -> list[Record]:
        """The records of a kind that pass the filters, newest first: `limit` of them after the first `offset`."""
        query = lists.page(kind, filters, sort_by=sort_by, ascending=ascending, limit=limit, offset=offset)
        with self._transaction() as connection:
            return [_record(row) for row in connection.execute(query)]

    def count(self, kind: str, **filters: Unpack[Filters]) -> int:
        """How many records of a kind pass the filters."""
        with self._transaction() as connection:
            return connection.execute(lists.total(kind, filters)).scalar_one()

    def names(self, kind: str) -> Sequence[str]:
        """All names of a kind, sorted."""
        query = sql.select(documents.c.name).where(documents.c.kind == kind).order_by(documents.c.name)
        with self._transaction() as connection:
            return list(connection.execute(query).scalars())

    def versions(self, kind: str, *, parent: str) -> dict[str, int]:
        """The versions of a parent's records by name, which tell what has changed since they were read."""
        columns = documents.c
        query = sql.select(columns.name, columns.version).where(columns.kind == kind, columns.parent == parent)
        with self._transaction() as connection:
            return {row.name: row.version for row in connection.execute(query)}

    def _not_found(self, kind: str, name: str) -> NotFound:
        return not_found(kind.replace("-", " "), name, self._names_near(kind, name), self.count(kind))

    def _names_near(self, kind: str, name: str) -> Sequence[str]:
        begins_alike = documents.c.name.startswith(name[:3], autoescape=True)
        query = sql.select(documents.c.name).where(documents.c.kind == kind)
        query = query.order_by(begins_alike.desc(), documents.c.name).limit(MOST_NAMES_COMPARED)
        with self._transaction() as connection:
            return list(connection.execute(query).scalars())

    # measurements

    def measure(self, job: str, values: Iterable[Measurement], *, lease: Lease | None = None) -> None:
        """Append to a job's history. `LeaseLost` when the given lease is not the newest."""
        now = self._clock()
        rows = [
            {"job": job, "name": one.name, "step": one.step, "value": _storable(one.value), "at": one.at or now}
            for one in values
        ]
        if rows:
            with self._transaction() as connection:
                if lease is not None:
                    lease_rows.guard(connection, lease)
                connection.execute(tables.measurements.insert(), rows)

    def measurements(self, job: str, name: str | None = None, *, after: int = 0) -> list[Measurement]:
        """A job's history in the order it was written; of one metric when `name` is given; only what has an id larger
        than `after`."""
        column = tables.measurements.c
        query = tables.measurements.select().where(column.job == job).order_by(column.id)
        if after:
            query = query.where(column.id > after)
        if name is not None:
            query = query.where(column.name == name)
        with self._transaction() as connection:
            return [_measurement(row) for row in connection.execute(query)]

    def latest(self, job: str) -> list[Measurement]:
        """The newest value of each of a job's metrics, in the order in which they came."""
        column = tables.measurements.c
        newest = sql.select(sql.func.max(column.id)).where(column.job == job).group_by(column.name)
        query = tables.measurements.select().where(column.id.in_(newest)).order_by(column.id)
        with self._transaction() as connection:
            return [_measurement(row) for row in connection.execute(query)]

    # leases

    def lease(self, kind: str, name: str, owner: Owner, *, over: Lease | None = None) -> Lease:
        """Become the holder, with a token larger than all before. What it is about need not be a document.

        `Conflict` when another holds it, unless that is exactly `over`, the lease that `LeaseWatch` judged lost: it is
        taken over, provided that it was not renewed since it was read.
        """
        taken = None
        try:
            with self._transaction() as connection:
                taken = lease_rows.take(connection, kind, name, owner, over)
        except IntegrityError:
            pass                            # another took it just now
        if taken is not None:
            return taken
        found = self.holder(kind, name)
        who = f"process {found.owner.pid} on {found.owner.host}" if found else "another process"
        raise Conflict(f"{kind.replace('-', ' ')} {name!r} is looked after by {who}")

    def renew(self, lease: Lease) -> Lease:
        """A sign of life. `LeaseLost` when there is a newer token."""
        with self._transaction() as connection:
            lease_rows.guard(connection, lease)
        return lease.renewed()

    def release(self, lease: Lease) -> None:
        """Give it back, so that nobody has to wait. Nothing happens when another has it by now."""
        with self._transaction() as connection:
            lease_rows.release(connection, lease)

    def holder(self, kind: str, name: str) -> Lease | None:
        """The lease as it is held now; None when nobody does."""
        with self._transaction() as connection:
            return lease_rows.held(connection, kind, name)

    def holders(self, kind: str) -> list[Lease]:
        """All leases of a kind that are held now, by name."""
        with self._transaction() as connection:
            return lease_rows.all_held(connection, kind)

    @contextmanager
    def _transaction(self) -> Iterator[sql.Connection]:
        try:
            with self._one_at_a_time, self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise StorageFailed(f"the record store {shown(self._engine)} refused: {error.orig}") from error
        except PoolTimeout as error:
            raise StorageFailed(f"the record store {shown(self._engine)} is too busy: {error}") from error


def _is(kind: str, name: str) -> sql.ColumnElement[bool]:
    return sql.and_(documents.c.kind == kind, documents.c.name == name)


def _row(record: Record) -> Json:
    # ASCII, because half a surrogate pair, which a log may hold, cannot be stored as anything else
    return {**record.__dict__, "document": json.dumps(record.document)}


def _record(row: Any) -> Record:
    values = dict(row._mapping)
    return Record(**{**values, "document": json.loads(values["document"])})


def _measurement(row: Any) -> Measurement:
    return Measurement(row.name, row.step, float("nan") if row.value is None else row.value, row.at, row.id)


def _storable(value: float) -> float | None:
    return None if value != value else value
