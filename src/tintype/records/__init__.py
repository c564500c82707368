"""Named documents with compare-and-set, measurements of jobs, and leases. The only part that knows SQL.

    records.py      the store and its methods
    record.py       what it gives: a document, a measurement; and how lists are narrowed and sorted
    lease.py        who may write about something, and how one sees that it no longer lives
    owner.py        a process that outlives its pid: host, boot, pid and start time
    tables.py       the tables of the newest schema
    engine.py       connections to SQLite and PostgreSQL
    schema.py       a store is made, upgraded, or refused
    upgrades/       one file per schema version
"""

from __future__ import annotations

from tintype.records.lease import Lease, LeaseWatch
from tintype.records.owner import Owner, is_known_dead
from tintype.records.record import Json, Measurement, Record, SortBy
from tintype.records.records import Records
from tintype.records.schema import SCHEMA_VERSION

__all__ = [
    "SCHEMA_VERSION",
    "Json",
    "Lease",
    "LeaseWatch",
    "Measurement",
    "Owner",
    "Record",
    "Records",
    "SortBy",
    "is_known_dead",
]
