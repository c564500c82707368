"""Named documents with compare-and-set, and the measurements of jobs. The only file that knows SQL.

A record is a JSON document under (kind, name), with a version that every change raises. `replace` succeeds only
on the version that was read, so that two writers cannot overwrite each other: the second gets a `Conflict`.
`status` and `parent` are copied out of the document's owner so that lists can be filtered without reading documents.

SQLite (WAL) by default, any SQLAlchemy URL otherwise. Safe to share between threads and between processes; each
method is one transaction. Timestamps are seconds since the epoch, UTC.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any, final

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError
from sqlalchemy.pool import StaticPool

from tintype.errors import Conflict, InvalidRequest, StorageFailed, not_found

Json = dict[str, Any]

SCHEMA_VERSION = 1
BUSY_TIMEOUT_MS = 30_000
WAL_RETRY_SECONDS = 0.01

_metadata = sql.MetaData()

_documents = sql.Table(
    "documents",
    _metadata,
    sql.Column("kind", sql.String(40), primary_key=True),
    sql.Column("name", sql.String(256), primary_key=True),
    sql.Column("version", sql.Integer, nullable=False),
    sql.Column("status", sql.String(40), nullable=False),
    sql.Column("parent", sql.String(256), nullable=False),
    sql.Column("created_at", sql.Float, nullable=False),
    sql.Column("updated_at", sql.Float, nullable=False),
    sql.Column("document", sql.Text, nullable=False),
    sql.Index("documents_by_age", "kind", "created_at"),
    sql.Index("documents_by_parent", "kind", "parent", "created_at"),
    sql.Index("documents_by_status", "kind", "status", "created_at"),
)

_measurements = sql.Table(
    "measurements",
    _metadata,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("job", sql.String(256), nullable=False),
    sql.Column("name", sql.String(256), nullable=False),
    sql.Column("step", sql.Integer, nullable=False),
    sql.Column("value", sql.Float, nullable=True),          # NULL stands for NaN, which SQLite cannot keep
    sql.Column("at", sql.Float, nullable=False),
    sql.Index("measurements_by_job", "job", "name", "step"),
)

_schema = sql.Table("schema_version", _metadata, sql.Column("version", sql.Integer, nullable=False))


@dataclass(frozen=True)
class Record:
    """One document as it was when read."""

    kind: str
    name: str
    version: int
    status: str
    parent: str                 # "" when it has none
    created_at: float
    updated_at: float
    document: Json


@dataclass(frozen=True)
class Measurement:
    """One value of one metric of a job, e.g. ("valid:loss", step=3, 0.41)."""

    name: str
    step: int                   # epoch or iteration, as the metric counts
    value: float
    at: float = 0.0             # 0: now


@final
class Records:
    """The store. Open it with `Records.open`; close it when done."""

    def __init__(self, engine: sql.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        # A store in memory is one connection, and one connection holds one transaction.
        self._one_at_a_time = RLock() if isinstance(engine.pool, StaticPool) else nullcontext()

    @classmethod
    def open(cls, url: str, clock: Callable[[], float] = time.time) -> Records:
        """Open or make the store at an SQLAlchemy URL; `sqlite://` is a private one in memory.

        Raises `InvalidRequest` for a URL that names no database we can speak to, and `StorageFailed` when it cannot be
        reached, or was written by a newer Tintype.
        """
        address = _address(url)
        options: Json = {}
        if address.get_backend_name() == "sqlite":
            if address.database in (None, "", ":memory:"):
                options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
            else:
                directory = Path(str(address.database)).parent
                try:
                    directory.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise StorageFailed(f"cannot make {directory}: {error.strerror}; choose another --home") from error
        engine = _engine(address, options)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _sqlite_pragmas)
        records = cls(engine, clock)
        records._prepare()
        return records

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def create(
        self, kind: str, name: str, document: Mapping[str, Any], *, status: str = "", parent: str = ""
    ) -> Record:
        """Add a document. `Conflict` when the name is taken."""
        now = self._clock()
        record = Record(kind, name, 1, status, parent, now, now, dict(document))
        try:
            with self._transaction() as connection:
                connection.execute(_documents.insert().values(_row(record)))
        except IntegrityError as error:
            what = f"a {kind.replace('-', ' ')} named {name!r}"
            raise Conflict(f"{what} is there already; choose another name") from error
        return record

    def get(self, kind: str, name: str) -> Record:
        """The newest version. `NotFound` lists near names."""
        with self._transaction() as connection:
            row = connection.execute(_documents.select().where(_is(kind, name))).one_or_none()
        if row is None:
            raise not_found(kind.replace("-", " "), name, self.names(kind))
        return _record(row)

    def find(self, kind: str, name: str) -> Record | None:
        """The newest version, or None."""
        with self._transaction() as connection:
            row = connection.execute(_documents.select().where(_is(kind, name))).one_or_none()
        return None if row is None else _record(row)

    def replace(self, read: Record, document: Mapping[str, Any], *, status: str | None = None) -> Record:
        """Store a new version of the record that was `read`. `Conflict` when it has changed since."""
        written = replace(
            read,
            version=read.version + 1,
            status=read.status if status is None else status,
            updated_at=self._clock(),
            document=dict(document),
        )
        with self._transaction() as connection:
            changed = connection.execute(
                _documents.update()
                .where(_is(read.kind, read.name), _documents.c.version == read.version)
                .values(_row(written))
            ).rowcount
        if not changed:
            what = f"{read.kind.replace('-', ' ')} {read.name!r}"
            raise Conflict(f"{what} was changed or deleted by somebody else; read it again")
        return written

    def update(self, kind: str, name: str, change: Callable[[Record], tuple[Mapping[str, Any], str]]) -> Record:
        """Read, apply the pure function `change` (to document and status), write; again when somebody was faster."""
        while True:
            read = self.get(kind, name)
            document, status = change(read)
            try:
                return self.replace(read, document, status=status)
            except Conflict:
                continue

    def delete(self, kind: str, name: str, *, measurements: bool = False) -> None:
        """Remove the document, and with `measurements` the history under its name. `NotFound` when there is none."""
        with self._transaction() as connection:
            gone = connection.execute(_documents.delete().where(_is(kind, name))).rowcount
            if gone and measurements:
                connection.execute(_measurements.delete().where(_measurements.c.job == name))
        if not gone:
            raise not_found(kind.replace("-", " "), name, self.names(kind))

    def list(
        self,
        kind: str,
        *,
        status: str | None = None,
        parent: str | None = None,
        oldest_first: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        """The records of a kind, newest first."""
        query = _documents.select().where(_documents.c.kind == kind)
        if status is not None:
            query = query.where(_documents.c.status == status)
        if parent is not None:
            query = query.where(_documents.c.parent == parent)
        age = _documents.c.created_at
        order = (age.asc(), _documents.c.name.asc()) if oldest_first else (age.desc(), _documents.c.name.desc())
        query = query.order_by(*order).offset(offset)
        if limit is not None:
            query = query.limit(limit)
        with self._transaction() as connection:
            return [_record(row) for row in connection.execute(query)]

    def names(self, kind: str) -> Sequence[str]:
        """All names of a kind, sorted."""
        query = sql.select(_documents.c.name).where(_documents.c.kind == kind).order_by(_documents.c.name)
        with self._transaction() as connection:
            return list(connection.execute(query).scalars())

    def measure(self, job: str, measurements: Iterable[Measurement]) -> None:
        """Append to a job's history."""
        now = self._clock()
        rows = [
            {"job": job, "name": one.name, "step": one.step, "value": _storable(one.value), "at": one.at or now}
            for one in measurements
        ]
        if rows:
            with self._transaction() as connection:
                connection.execute(_measurements.insert(), rows)

    def measurements(self, job: str, name: str | None = None) -> list[Measurement]:
        """A job's history in the order it was written; of one metric when `name` is given."""
        query = _measurements.select().where(_measurements.c.job == job).order_by(_measurements.c.id)
        if name is not None:
            query = query.where(_measurements.c.name == name)
        with self._transaction() as connection:
            return [
                Measurement(row.name, row.step, float("nan") if row.value is None else row.value, row.at)
                for row in connection.execute(query)
            ]

    @contextmanager
    def _transaction(self) -> Iterator[sql.Connection]:
        try:
            with self._one_at_a_time, self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except DatabaseError as error:
            where = self._engine.url.render_as_string(hide_password=True)
            raise StorageFailed(f"the record store {where} refused: {error.orig}") from error

    def _schema_version(self) -> int:
        with self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")      # the driver would begin late and let two makers in
            _metadata.create_all(connection, checkfirst=True)
            found = connection.execute(sql.select(_schema.c.version)).scalar()
            if found is None:
                connection.execute(_schema.insert().values(version=SCHEMA_VERSION))
            return found or SCHEMA_VERSION

    def _prepare(self) -> None:
        where = self._engine.url.render_as_string(hide_password=True)
        try:
            found = self._schema_version()
        except DatabaseError as error:
            reason = f"{where} cannot be used as a store: {error.orig}"
            raise StorageFailed(f"{reason}; see to it, or choose another --home") from error
        if found > SCHEMA_VERSION:
            reason = f"{where} was written by a newer Tintype (schema {found}, this one knows {SCHEMA_VERSION})"
            raise StorageFailed(f"{reason}; upgrade Tintype, or choose another --home")


def _address(url: str) -> sql.URL:
    try:
        return sql.make_url(url)
    except ArgumentError as error:
        example = "sqlite:////home/me/records.db"
        raise InvalidRequest(f"the database URL is none; give one like {example}, or none at all") from error


def _engine(address: sql.URL, options: Json) -> sql.Engine:
    try:
        return sql.create_engine(address, json_serializer=None, **options)
    except (ArgumentError, ImportError) as error:       # an unknown database, or its driver is not installed
        where = address.render_as_string(hide_password=True)
        raise InvalidRequest(f"{where} cannot be used as a store: {error}") from error


def _sqlite_pragmas(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous = NORMAL")      # a power cut may lose the last commits, never the store
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    # SQLite does not wait with this statement, whatever the busy timeout, when several openers of a new store meet.
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(WAL_RETRY_SECONDS)


def _is(kind: str, name: str) -> sql.ColumnElement[bool]:
    return sql.and_(_documents.c.kind == kind, _documents.c.name == name)


def _row(record: Record) -> Json:
    return {**record.__dict__, "document": json.dumps(record.document, ensure_ascii=False, allow_nan=True)}


def _record(row: Any) -> Record:
    values = dict(row._mapping)
    return Record(**{**values, "document": json.loads(values["document"])})


def _storable(value: float) -> float | None:
    return None if value != value else value
