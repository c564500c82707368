"""The tables of the newest schema. A change here needs a file in `upgrades/` and a new number in `schema.py`.

Lists of a hundred thousand jobs are read through indices alone: each index ends with the name, which breaks ties and is
searched, so that only the rows of the page itself are looked up.
"""

from __future__ import annotations

import sqlalchemy as sql

metadata = sql.MetaData()

# Sorted by code point everywhere; PostgreSQL would sort as the machine's language does.
TEXT_40 = sql.String(40).with_variant(sql.String(40, collation="C"), "postgresql")
TEXT_256 = sql.String(256).with_variant(sql.String(256, collation="C"), "postgresql")
WHOLE_64 = sql.BigInteger().with_variant(sql.Integer(), "sqlite")      # as SQLite calls its row ids

documents = sql.Table(
    "documents",
    metadata,
    sql.Column("kind", TEXT_40, primary_key=True),
    sql.Column("name", TEXT_256, primary_key=True),
    sql.Column("version", sql.Integer, nullable=False),
    sql.Column("status", TEXT_40, nullable=False),
    sql.Column("parent", TEXT_256, nullable=False),
    sql.Column("created_at", sql.Float, nullable=False),
    sql.Column("updated_at", sql.Float, nullable=False),
    sql.Column("document", sql.Text, nullable=False),
    sql.Index("documents_by_age", "kind", "created_at", "name"),
    sql.Index("documents_by_parent", "kind", "parent", "created_at", "name"),
    sql.Index("documents_by_status", "kind", "status", "created_at", "name"),
    sql.Index("documents_by_parent_and_status", "kind", "parent", "status", "created_at", "name"),
    sql.Index("documents_by_change", "kind", "updated_at", "name"),
)

measurements = sql.Table(
    "measurements",
    metadata,
    sql.Column("id", WHOLE_64, primary_key=True, autoincrement=True),
    sql.Column("job", TEXT_256, nullable=False),
    sql.Column("name", TEXT_256, nullable=False),
    sql.Column("step", WHOLE_64, nullable=False),
    sql.Column("value", sql.Float, nullable=True),          # NULL stands for NaN, which SQLite cannot keep
    sql.Column("at", sql.Float, nullable=False),
    sql.Index("measurements_by_job", "job", "id"),
)

# A row stays when its lease is released or its document deleted: the next token must be larger.
leases = sql.Table(
    "leases",
    metadata,
    sql.Column("kind", TEXT_40, primary_key=True),
    sql.Column("name", TEXT_256, primary_key=True),
    sql.Column("token", sql.BigInteger, nullable=False),
    sql.Column("owner", sql.Text, nullable=False),          # JSON; "" when nobody holds it
    sql.Column("renewals", sql.BigInteger, nullable=False),
)

schema_version = sql.Table("schema_version", metadata, sql.Column("version", sql.Integer, nullable=False))
