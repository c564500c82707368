"""CloudWatch Logs, for reading: groups, streams, events, forwards and backwards.

A token says where in the file the next page begins, so it is good for as long as the file is there, and the token at
the end stays the same until something is written. A list of streams has a token only when there are more streams:
clients ask again for ever otherwise.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterator

from tintype.storage import storage_errors
from tintype.web.api.filter_pattern import parse_pattern
from tintype.web.api.log_file import NEVER, Event, LogFile, Span
from tintype.web.api.log_groups import Stream, group_names, streams
from tintype.web.api.operation import Members
from tintype.web.context import Context
from tintype.web.faults import AwsFault

MOST_EVENTS = 10_000            # of a page, and ...
MOST_BYTES = 1 << 20            # ... so much text, as in CloudWatch; each event counts for 26 bytes more
EVENT_BYTES = 26
MOST_STREAMS = 50
MOST_SEARCHED = 32 << 20        # bytes that one call of FilterLogEvents looks at
TOKEN = re.compile(r"(?P<way>[fb])/(?P<offset>\d{1,18})")


def describe_log_groups(context: Context, request: Members) -> Members:
    """The groups of jobs, and one for each endpoint."""
    names = group_names(context, request.get("logGroupNamePrefix", ""))
    if pattern := request.get("logGroupNamePattern"):
        names = [name for name in names if pattern in name]
    after, limit = request.get("nextToken", ""), request.get("limit", MOST_STREAMS)
    names = [name for name in names if name > after]
    token = {"nextToken": names[limit - 1]} if len(names) > limit else {}
    return {"logGroups": [_group(context, name) for name in names[:limit]], **token}


def describe_log_streams(context: Context, request: Members) -> Members:
    """The streams of a group."""
    found = list(_streams(context, request, request.get("logStreamNamePrefix", "")))
    if request.get("orderBy") == "LastEventTime":
        found.sort(key=lambda one: one.changed)
    else:
        found.sort(key=lambda one: one.name)
    if request.get("descending"):
        found.reverse()
    start, limit = _offset_of(request.get("nextToken")), request.get("limit", MOST_STREAMS)
    token = {"nextToken": f"s/{start + limit}"} if len(found) > start + limit else {}
    shown = found[start : start + limit]
    return {"logStreams": [_stream(context, _group_name(request), one) for one in shown], **token}


def get_log_events(context: Context, request: Members) -> Members:
    """A page of a stream: from its head, from its end, or from a token on."""
    stream, span = _one_stream(context, request), _span(request)
    file, limit = LogFile(stream.path), request.get("limit", MOST_EVENTS)
    way, offset = _start_of(request, file, span)
    if way == "f":
        events = list(_page(file.forward(offset, span), limit))
        first, last = (events[0].start, events[-1].end) if events else (offset, offset)
    else:
        events = list(_page(file.backward(offset, span), limit))[::-1]
        first, last = (events[0].start, events[-1].end) if events else (offset, offset)
    return {
        "events": [_event(one) for one in events],
        "nextForwardToken": f"f/{last:018d}",
        "nextBackwardToken": f"b/{first:018d}",
    }


def filter_log_events(context: Context, request: Members) -> Members:
    """Events of all streams, or of those named, that match a pattern. A page may be empty and have a next one."""
    matches, span = parse_pattern(request.get("filterPattern", "")), _span(request)
    limit = request.get("limit", MOST_EVENTS)
    wanted = sorted(_wanted(context, request), key=lambda one: (one.created, one.name))
    wanted = [one for one in wanted if one.changed >= span.since]
    after, offset = _place_of(request.get("nextToken"))
    found: list[Members] = []
    size = searched = 0
    for stream in wanted[_index_of(wanted, after) :]:
        file = LogFile(stream.path)
        start = offset if stream.name == after else file.first_since(span.since)
        for event in file.forward(start, span):
            searched += event.end - event.start
            if len(found) == limit or size > MOST_BYTES or searched > MOST_SEARCHED:
                return {"events": found, "searchedLogStreams": [], "nextToken": _place(stream, event.start)}
            if matches(event.message):
                found.append(_filtered(stream, event))
                size += len(event.message) + EVENT_BYTES
    return {"events": found, "searchedLogStreams": []}


def delete_log_stream(context: Context, request: Members) -> Members:
    """The file of a stream is removed; what a job that still runs says then is not kept."""
    stream = _one_stream(context, request)
    with storage_errors(stream.path):
        stream.path.unlink(missing_ok=True)
    return {}


def _group_name(request: Members) -> str:
    name = request.get("logGroupName") or request.get("logGroupIdentifier") or ""
    if not name:
        raise AwsFault("InvalidParameterException", "Give a logGroupName")
    return name.removesuffix(":*").rpartition(":log-group:")[2]


def _streams(context: Context, request: Members, prefix: str) -> Iterator[Stream]:
    found = streams(context, _group_name(request), prefix)
    if found is None:
        raise AwsFault("ResourceNotFoundException", "The specified log group does not exist.")
    return found


def _one_stream(context: Context, request: Members) -> Stream:
    name = request["logStreamName"]
    for stream in _streams(context, request, name):
        if stream.name == name:
            return stream
    raise AwsFault("ResourceNotFoundException", "The specified log stream does not exist.")


def _wanted(context: Context, request: Members) -> Iterator[Stream]:
    names = request.get("logStreamNames")
    if names and request.get("logStreamNamePrefix"):
        raise AwsFault("InvalidParameterException", "Give logStreamNames or logStreamNamePrefix, not both")
    if names:
        return (_one_stream(context, {**request, "logStreamName": name}) for name in names)
    return _streams(context, request, request.get("logStreamNamePrefix", ""))


def _span(request: Members) -> Span:
    return Span(request.get("startTime", 0), request.get("endTime", NEVER))


def _start_of(request: Members, file: LogFile, span: Span) -> tuple[str, int]:
    """Which way to read, and from which offset."""
    token = request.get("nextToken")
    if token is None:
        if request.get("startFromHead"):
            return "f", file.first_since(span.since)
        return "b", file.end() if span.until == NEVER else file.first_since(span.until)
    found = TOKEN.fullmatch(token)
    if found is None:
        raise AwsFault("InvalidParameterException", "The specified nextToken is invalid.")
    return found["way"], min(int(found["offset"]), file.end())


def _page(events: Iterator[Event], limit: int) -> Iterator[Event]:
    size = 0
    for event in itertools.islice(events, limit):
        size += len(event.message) + EVENT_BYTES
        if size > MOST_BYTES:
            return
        yield event


def _event(one: Event) -> Members:
    return {"timestamp": one.at, "message": one.message or " ", "ingestionTime": one.at}


def _filtered(stream: Stream, one: Event) -> Members:
    return {"logStreamName": stream.name, **_event(one), "eventId": f"{one.at:017d}{one.start:018d}"}


def _group(context: Context, name: str) -> Members:
    arn = context.arn(f"log-group:{name}", "logs")
    return {
        "logGroupName": name, "creationTime": 0, "metricFilterCount": 0, "arn": f"{arn}:*", "storedBytes": 0,
        "logGroupClass": "STANDARD", "logGroupArn": arn,
    }  # fmt: skip


def _stream(context: Context, group: str, one: Stream) -> Members:
    first, changed = LogFile(one.path).first(), one.changed
    events = {"firstEventTimestamp": first.at, "lastEventTimestamp": changed} if first else {}
    return {
        "logStreamName": one.name, "creationTime": one.created, **events, "lastIngestionTime": changed,
        "arn": context.arn(f"log-group:{group}:log-stream:{one.name}", "logs"), "storedBytes": 0,
    }  # fmt: skip


def _offset_of(token: str | None) -> int:
    if token is None:
        return 0
    _, _, number = token.partition("s/")
    if not number.isdecimal() or len(number) > 18:
        raise AwsFault("InvalidParameterException", "The specified nextToken is invalid.")
    return int(number)


def _place(stream: Stream, offset: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([stream.name, offset]).encode()).decode()


def _place_of(token: str | None) -> tuple[str, int]:
    if token is None:
        return "", 0
    try:
        name, offset = json.loads(base64.urlsafe_b64decode(token.encode()))
        return str(name), max(0, int(offset))
    except (ValueError, TypeError) as error:
        raise AwsFault("InvalidParameterException", "The specified nextToken is invalid.") from error


def _index_of(wanted: list[Stream], name: str) -> int:
    return next((index for index, one in enumerate(wanted) if one.name == name), 0)


