"""A store is made when it is new, upgraded when it is old, and refused when it is newer than we are.

The version is one number in the table `schema_version`, which every Tintype since the first reads and heeds. An upgrade
is one transaction: it happens as a whole or, when we are killed in it, not at all. Of several openers one makes or
upgrades the store while the others wait. The usual opener reads one number and is done.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.exc import DatabaseError, OperationalError, ProgrammingError

from tintype.errors import StorageFailed, UnusableHome
from tintype.records.engine import shown
from tintype.records.tables import metadata, schema_version
from tintype.records.upgrades import UPGRADES
from tintype.storage import is_full

SCHEMA_VERSION = 2
PASSING = {"SQLITE_FULL", "SQLITE_BUSY"}        # what another --home would not be the answer to
ADVISORY_LOCK = 0x74696E74          # "tint"; whoever makes or upgrades a store in PostgreSQL holds it


def prepare(engine: sql.Engine) -> None:
    """Bring the store to `SCHEMA_VERSION`. `UnusableHome` when it cannot be opened, or is newer; `StorageFailed` when
    the disk is full.
    """
    where = shown(engine)
    try:
        found = _version(engine)
        if found is None or found < SCHEMA_VERSION:
            found = _make_or_upgrade(engine)
    except DatabaseError as error:
        if _has_no_room(engine):                # SQLite calls it an I/O error, or says that it cannot open its file
            advice = "free some space and run this again"
            raise StorageFailed(f"the disk is full while opening {where}; {advice}") from error
        reason = f"{where} cannot be used as a store: {error.orig}"
        kind = StorageFailed if getattr(error.orig, "sqlite_errorname", "") in PASSING else UnusableHome
        raise kind(f"{reason}; see to it, or choose another --home") from error
    if found > SCHEMA_VERSION:
        reason = f"{where} was written by a newer Tintype (schema {found}, this one knows {SCHEMA_VERSION})"
        raise UnusableHome(f"{reason}; upgrade Tintype, or choose another --home")


def _has_no_room(engine: sql.Engine) -> bool:
    """Whether SQLite cannot make the files that it needs beside the store."""
    path = engine.url.database
    return engine.dialect.name == "sqlite" and bool(path) and is_full(Path(str(path)).parent)


def _version(engine: sql.Engine) -> int | None:
    """The version of the store; None when there is no telling."""
    with engine.connect() as connection:
        try:
            return connection.execute(sql.select(schema_version.c.version)).scalar()
        except (OperationalError, ProgrammingError):
            return None                         # new, or something is wrong: with the lock held we shall see


def _make_or_upgrade(engine: sql.Engine) -> int:
    with engine.begin() as connection:
        _lock(connection)
        if not sql.inspect(connection).has_table(schema_version.name):
            metadata.create_all(connection, checkfirst=True)
            connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
            return SCHEMA_VERSION
        found = connection.execute(sql.select(schema_version.c.version)).scalar_one()   # another may have been faster
        for version in range(found + 1, SCHEMA_VERSION + 1):
            UPGRADES[version](connection)
        if found < SCHEMA_VERSION:
            connection.execute(schema_version.update().values(version=SCHEMA_VERSION))
        return max(found, SCHEMA_VERSION)


def _lock(connection: sql.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")      # the driver would begin late and let two makers in
    elif connection.dialect.name == "postgresql":
        connection.execute(sql.select(sql.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
