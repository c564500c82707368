"""Tags of whatever has an ARN, in one record for each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from tintype.errors import Conflict, NotFound
from tintype.jobs.store import KIND as TRAINING_KIND
from tintype.pipeline.records_beside import TAGS
from tintype.pipeline.tuning_plan import PLAN_KIND
from tintype.records import Record, Records
from tintype.web.api.arns import TRAINING_JOB, TUNING_JOB, named_by
from tintype.web.api.operation import Members
from tintype.web.context import Context
from tintype.web.faults import AwsFault

KIND = TAGS
MOST_TAGS = 50

# the kind in an ARN -> the kind of its records; of other kinds it is not checked whether the resource is there
RECORDED = {TRAINING_JOB: TRAINING_KIND, TUNING_JOB: PLAN_KIND}


def add_tags(context: Context, request: Members) -> Members:
    """Add tags to a resource, or give them another value; the answer has all of them."""
    arn = _checked(context, request["ResourceArn"])
    return {"Tags": as_members(put(context.workspace.records, arn, request["Tags"]))}


def list_tags(context: Context, request: Members) -> Members:
    """All tags of a resource: at most fifty, so there is one page."""
    arn = _checked(context, request["ResourceArn"])
    return {"Tags": as_members(tags_of(context.workspace.records, arn))}


def delete_tags(context: Context, request: Members) -> Members:
    """Remove tags by their keys; one that is not there is no error."""
    arn = _checked(context, request["ResourceArn"])
    gone = set(request["TagKeys"])
    _change(context.workspace.records, arn, lambda tags: {key: tags[key] for key in tags if key not in gone})
    return {}


def tags_of(records: Records, arn: str) -> dict[str, str]:
    """The tags of a resource; of one that nobody has tagged, none."""
    found = records.find(KIND, key_of(arn))
    return {} if found is None else found.document


def put(records: Records, arn: str, given: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Add tags, as AWS has them, and return all. `ValidationException` beyond fifty."""
    new = {one["Key"]: one["Value"] for one in given}
    return _change(records, arn, lambda tags: _limited({**tags, **new})) if new else tags_of(records, arn)


def forget(records: Records, arn: str) -> None:
    """The resource is no more."""
    with contextlib.suppress(NotFound):
        records.delete(KIND, key_of(arn))


def as_members(tags: Mapping[str, str]) -> list[Members]:
    """As AWS has them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def key_of(arn: str) -> str:
    """The name of a resource's record: without region and account, of which there is one."""
    named = named_by(arn)
    if named is None:
        raise AwsFault("ValidationException", f"{arn!r} is not the ARN of a resource that can have tags")
    return f"{named.kind}/{named.name}"


def _change(records: Records, arn: str, change: Any) -> dict[str, str]:
    def apply(record: Record) -> tuple[dict[str, str], str]:
        return change(record.document), ""

    with contextlib.suppress(Conflict):         # it has tags already
        records.create(KIND, key_of(arn), {})
    return records.update(KIND, key_of(arn), apply).document


def _limited(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MOST_TAGS:
        raise AwsFault("ValidationException", f"A resource has at most {MOST_TAGS} tags; these would be {len(tags)}")
    return tags


def _checked(context: Context, arn: str) -> str:
    named = named_by(arn)
    kind = RECORDED.get(named.kind) if named else None
    if named is None or kind is None:
        key_of(arn)
        return arn
    records = context.workspace.records
    # The ARN has the name in lower case; records are kept by the name as it was given.
    if records.find(kind, named.name) is None and not any(
        one.name.lower() == named.name for one in records.list(kind, name_contains=named.name)
    ):
        raise AwsFault("ValidationException", f"Could not find {named.kind} \"{arn}\"; nothing has that name")
    return arn
