"""What happens to the rows of leases. Every change is one statement that names the token, so there is no gap in it."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sql

from tintype.errors import LeaseLost
from tintype.records.lease import Lease
from tintype.records.owner import Owner
from tintype.records.tables import leases

NOBODY = ""


def take(connection: sql.Connection, kind: str, name: str, owner: Owner, over: Lease | None) -> Lease | None:
    """A lease that nobody holds, or exactly the one that was judged lost (`over`). None when another holds it.

    Raises SQLAlchemy's `IntegrityError` when another took a lease that never was before, just now.
    """
    free = leases.c.owner == NOBODY
    if over is not None:
        free = free | ((leases.c.token == over.token) & (leases.c.renewals == over.renewals))
    text = json.dumps(owner.to_json())
    taken = connection.execute(
        leases.update()
        .where(_is(kind, name), free)
        .values(token=leases.c.token + 1, owner=text, renewals=0)
        .returning(leases.c.token)
    ).scalar()
    if taken is not None:
        return Lease(kind, name, taken, owner)
    if held(connection, kind, name) is not None:
        return None
    connection.execute(leases.insert().values(kind=kind, name=name, token=1, owner=text, renewals=0))
    return Lease(kind, name, 1, owner)


def guard(connection: sql.Connection, lease: Lease) -> None:
    """Fence what follows in this transaction, and give a sign of life. `LeaseLost` when there is a newer token.

    It changes the lease's row, so nobody can take the lease over before the transaction has ended.
    """
    changed = connection.execute(
        leases.update().where(_is(*lease.key), leases.c.token == lease.token).values(renewals=leases.c.renewals + 1)
    ).rowcount
    if not changed:
        what = f"the lease of {lease.kind.replace('-', ' ')} {lease.name!r}"
        raise LeaseLost(f"{what} (token {lease.token}) was taken over by another process; this one must stop writing")


def release(connection: sql.Connection, lease: Lease) -> None:
    """Nobody holds it any more, unless another does by now."""
    connection.execute(leases.update().where(_is(*lease.key), leases.c.token == lease.token).values(owner=NOBODY))


def revoke(connection: sql.Connection, kind: str, name: str) -> None:
    """What the lease is about is gone: whoever holds it can write no more."""
    connection.execute(leases.update().where(_is(kind, name)).values(token=leases.c.token + 1, owner=NOBODY))


def held(connection: sql.Connection, kind: str, name: str) -> Lease | None:
    """The lease as it is held now."""
    row = connection.execute(leases.select().where(_is(kind, name))).one_or_none()
    return None if row is None else _lease(row)


def all_held(connection: sql.Connection, kind: str) -> list[Lease]:
    """All leases of a kind that are held now, by name."""
    query = leases.select().where(leases.c.kind == kind, leases.c.owner != NOBODY).order_by(leases.c.name)
    return [lease for row in connection.execute(query) if (lease := _lease(row)) is not None]


def _is(kind: str, name: str) -> sql.ColumnElement[bool]:
    return sql.and_(leases.c.kind == kind, leases.c.name == name)


def _lease(row: Any) -> Lease | None:
    if row.owner == NOBODY:
        return None
    return Lease(row.kind, row.name, row.token, Owner.from_json(json.loads(row.owner)), row.renewals)
