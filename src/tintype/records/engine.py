"""Connections to SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import StaticPool

from tintype.errors import InvalidRequest, UnusableHome

BUSY_TIMEOUT_MS = 30_000
WAL_RETRY_SECONDS = 0.01

Options = dict[str, Any]

# Without a driver in the URL this one is meant. psycopg 3 comes with the extra `postgres`.
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
INSTALL = {"psycopg": "pip install 'tintype[postgres]'"}


def connect(url: str) -> sql.Engine:
    """An engine for an SQLAlchemy URL; `sqlite://` is a private store in memory. Nothing is connected yet.

    Raises `InvalidRequest` for a URL that names no database we can speak to, `UnusableHome` when the folder of an
    SQLite file cannot be made.
    """
    address = _address(url)
    options: Options = {}
    if address.get_backend_name() == "sqlite":
        if address.database in (None, "", ":memory:"):
            options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        else:
            _make_folder(Path(str(address.database)).parent)
    else:
        options = {"pool_pre_ping": True}               # the server may have been restarted since
    engine = _engine(address, options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_pragmas)
    return engine


def is_one_connection(engine: sql.Engine) -> bool:
    """Whether all threads share one connection, as with a store in memory."""
    return isinstance(engine.pool, StaticPool)


def shown(engine: sql.Engine) -> str:
    """The engine's URL without its password."""
    return engine.url.render_as_string(hide_password=True)


def _address(url: str) -> sql.URL:
    try:
        address = sql.make_url(url)
    except ArgumentError as error:
        example = "sqlite:////home/me/records.db"
        raise InvalidRequest(f"the database URL is none; give one like {example}, or none at all") from error
    return address.set(drivername=DRIVERS.get(address.drivername, address.drivername))


def _engine(address: sql.URL, options: Options) -> sql.Engine:
    try:
        return sql.create_engine(address, json_serializer=None, **options)
    except (ArgumentError, ImportError) as error:       # an unknown database, or its driver is not installed
        where = address.render_as_string(hide_password=True)
        advice = INSTALL.get(getattr(error, "name", None) or "")
        reason = f"{where} cannot be used as a store: {error}" + (f"; {advice}" if advice else "")
        raise InvalidRequest(reason) from error


def _make_folder(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableHome(f"cannot make {directory}: {error.strerror}; choose another --home") from error


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
