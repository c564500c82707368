"""Single objects: put, get, head, delete, and what is said of them."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.message import Members
from tintype.web.s3 import attributes
from tintype.web.s3.attributes import DEFAULT_TYPE, Attributes
from tintype.web.s3.checksums import MEMBERS
from tintype.web.s3.conditions import check_reading
from tintype.web.s3.file_body import FileBody
from tintype.web.s3.listing import last_modified, owner
from tintype.web.s3.placing import look, open_object, place, remove
from tintype.web.s3.ranges import Span, span_of
from tintype.web.s3.spooled import Spooled

SMALL_BYTES = 1 << 18       # sent whole, without asking threads
KEPT = ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Expires")
LONGEST_METADATA = 2048     # bytes of names and values together, as in S3
MOST_DELETED = 1000         # keys of one request, as in S3


def put_object(context: Context, request: Members) -> Members:
    """The body becomes the object."""
    body: Spooled = request["Body"]
    described = describe(request, body.md5.hex(), body.checksums if body.expected else {})
    place(context.buckets, request["Bucket"], request["Key"], body.path, described, request)
    return {"ETag": described.quoted_etag, **_checksum_members(described)}


def get_object(context: Context, request: Members) -> Members:
    """The object or a range of it."""
    path, descriptor = open_object(context.buckets, request["Bucket"], request["Key"])
    try:
        stat = os.fstat(descriptor)
        answer, span = _described(context, request, path, stat, descriptor)
        if span.length <= SMALL_BYTES:
            data = os.pread(descriptor, span.length, span.start)
            answer |= {"ContentLength": len(data), "Body": data}
            os.close(descriptor)
        else:
            answer["Body"] = FileBody(os.fdopen(descriptor, "rb", buffering=0), span)
    except BaseException:
        os.close(descriptor)
        raise
    return answer


def head_object(context: Context, request: Members) -> Members:
    """As `get_object`, without the bytes."""
    path, descriptor = open_object(context.buckets, request["Bucket"], request["Key"])
    try:
        return _described(context, request, path, os.fstat(descriptor), descriptor)[0]
    finally:
        os.close(descriptor)


def get_object_attributes(context: Context, request: Members) -> Members:
    """Those that are asked for."""
    found, stat = _known(context, request)
    known = {
        "ETag": found.etag,
        "Checksum": _checksum_members(found),
        "StorageClass": "STANDARD",
        "ObjectSize": stat.st_size,
        "ObjectParts": {"TotalPartsCount": len(found.part_sizes)} if found.part_sizes else None,
    }
    asked = request["ObjectAttributes"]
    return {"LastModified": last_modified(stat.st_mtime), **{name: known[name] for name in asked if name in known}}


def delete_object(context: Context, request: Members) -> Members:
    """Gone, whether it was there or not."""
    remove(context.buckets, request["Bucket"], request["Key"], request)
    return {}


def delete_objects(context: Context, request: Members) -> Members:
    """Many at once: each is deleted or has an error of its own."""
    context.buckets.directory(request["Bucket"])
    if len(request["Delete"]["Objects"]) > MOST_DELETED:
        raise AwsFault("MalformedXML", f"At most {MOST_DELETED} objects are deleted at once.")
    deleted, errors = [], []
    for one in request["Delete"]["Objects"]:
        key = one["Key"]
        try:
            remove(context.buckets, request["Bucket"], key, {"IfMatch": one.get("ETag")})
            deleted.append({"Key": key})
        except AwsFault as fault:
            errors.append({"Key": key, "Code": fault.code, "Message": fault.message})
    return {"Deleted": [] if request["Delete"].get("Quiet") else deleted, "Errors": errors}


def get_object_tagging(context: Context, request: Members) -> Members:
    """The tags that came with the object."""
    found, _ = _known(context, request)
    return {"TagSet": [{"Key": name, "Value": value} for name, value in found.tags.items()]}


def get_object_acl(context: Context, request: Members) -> Members:
    """All to the one owner."""
    look(context.buckets, request["Bucket"], request["Key"])
    return everything_to_the_owner(context)


def everything_to_the_owner(context: Context) -> Members:
    """An access control list that says what is so."""
    grantee = {**owner(context), "Type": "CanonicalUser"}
    return {"Owner": owner(context), "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


def describe(request: Members, etag: str, checksums: dict[str, str], part_sizes: tuple[int, ...] = ()) -> Attributes:
    """What is kept of what a client says with an object. Raises `AwsFault` when it is too much."""
    metadata = request.get("Metadata") or {}
    size = sum(len(name.encode()) + len(value.encode("utf-8", "replace")) for name, value in metadata.items())
    if size > LONGEST_METADATA:
        raise AwsFault("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    headers = {name: _as_text(request[name]) for name in KEPT if request.get(name)}
    encoding = headers.get("ContentEncoding", "")
    if "aws-chunked" in encoding:               # how it came, not what it is
        headers["ContentEncoding"] = ",".join(one for one in encoding.split(",") if one.strip() != "aws-chunked")
    headers = {name: value for name, value in headers.items() if value}
    headers.setdefault("ContentType", DEFAULT_TYPE)
    tags = dict(parse_qsl(request.get("Tagging", "")))
    return Attributes(etag, headers, metadata, checksums, tags, part_sizes)


def _known(context: Context, request: Members) -> tuple[Attributes, os.stat_result]:
    path, descriptor = open_object(context.buckets, request["Bucket"], request["Key"])
    try:
        stat = os.fstat(descriptor)
        return attributes.read(path, stat, context.buckets.aside, descriptor), stat
    finally:
        os.close(descriptor)


def _described(
    context: Context, request: Members, path: Path, stat: os.stat_result, descriptor: int
) -> tuple[Members, Span]:
    found = attributes.read(path, stat, context.buckets.aside, descriptor)
    modified = last_modified(stat.st_mtime)
    check_reading(request, found.etag, modified)
    span = _part(request["PartNumber"], found, stat) if request.get("PartNumber") else None
    span = span or span_of(request.get("Range"), stat.st_size)
    answer: Members = {
        **found.headers,
        "Metadata": found.metadata,
        "ETag": found.quoted_etag,
        "LastModified": modified,
        "AcceptRanges": "bytes",
        "ContentLength": span.length if span else stat.st_size,
        "ContentRange": span.content_range if span else None,
        "PartsCount": len(found.part_sizes) or None if request.get("PartNumber") else None,
        "TagCount": len(found.tags) or None,
    }
    for name in KEPT:
        if request.get(f"Response{name}"):
            answer[name] = _as_text(request[f"Response{name}"])
    if request.get("ChecksumMode") == "ENABLED" and span is None:
        answer |= _checksum_members(found)
    return answer, span or Span(0, stat.st_size, stat.st_size)


def _part(number: int, found: Attributes, stat: os.stat_result) -> Span | None:
    sizes = found.part_sizes or (stat.st_size,)
    if not 1 <= number <= len(sizes):
        raise AwsFault("InvalidPartNumber", "The requested partnumber is not satisfiable", 416)
    start = sum(sizes[: number - 1])
    return Span(start, start + sizes[number - 1], stat.st_size)


def _checksum_members(found: Attributes) -> Members:
    answer: Members = {MEMBERS[name]: value for name, value in found.checksums.items() if name in MEMBERS}
    if answer:
        answer["ChecksumType"] = "COMPOSITE" if any("-" in value for value in answer.values()) else "FULL_OBJECT"
    return answer


def _as_text(value: Any) -> str:
    return value.strftime("%a, %d %b %Y %H:%M:%S GMT") if isinstance(value, datetime) else str(value)
