"""Schema 2: leases; indices from which lists and measurements are read without looking at every document."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sql

if TYPE_CHECKING:
    from alembic.operations import Operations

DROPPED = {
    "documents_by_age": "documents",
    "documents_by_parent": "documents",
    "documents_by_status": "documents",
    "measurements_by_job": "measurements",
}
INDICES = {
    "documents_by_age": ("documents", ["kind", "created_at", "name"]),
    "documents_by_parent": ("documents", ["kind", "parent", "created_at", "name"]),
    "documents_by_status": ("documents", ["kind", "status", "created_at", "name"]),
    "documents_by_parent_and_status": ("documents", ["kind", "parent", "status", "created_at", "name"]),
    "documents_by_change": ("documents", ["kind", "updated_at", "name"]),
    "measurements_by_job": ("measurements", ["job", "id"]),
}


def upgrade(connection: sql.Connection) -> None:
    """From schema 1, within the caller's transaction."""
    # Alembic takes 0.1 s to import, which only the one opener that upgrades should pay.
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))
    for index, table in DROPPED.items():
        operations.drop_index(index, table)
    if connection.dialect.name == "postgresql":
        _widen(operations)
    for index, (table, columns) in INDICES.items():
        operations.create_index(index, table, columns)
    operations.create_table(
        "leases",
        sql.Column("kind", _text(connection, 40), primary_key=True),
        sql.Column("name", _text(connection, 256), primary_key=True),
        sql.Column("token", sql.BigInteger, nullable=False),
        sql.Column("owner", sql.Text, nullable=False),
        sql.Column("renewals", sql.BigInteger, nullable=False),
    )


def _widen(operations: Operations) -> None:
    """Row ids and steps of 64 bits, which SQLite has anyway; names sorted by code point."""
    for column in ("id", "step"):
        operations.alter_column("measurements", column, type_=sql.BigInteger())
    for table, column, length in (
        ("documents", "kind", 40),
        ("documents", "name", 256),
        ("documents", "status", 40),
        ("documents", "parent", 256),
        ("measurements", "job", 256),
        ("measurements", "name", 256),
    ):
        operations.alter_column(table, column, type_=sql.String(length, collation="C"))


def _text(connection: sql.Connection, length: int) -> sql.String:
    return sql.String(length, collation="C") if connection.dialect.name == "postgresql" else sql.String(length)
