"""CopyObject and UploadPartCopy: bytes from an object that is here already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.message import Members, decoded
from tintype.web.s3 import attributes
from tintype.web.s3.attributes import Attributes
from tintype.web.s3.conditions import check_copying
from tintype.web.s3.listing import last_modified
from tintype.web.s3.multipart import keep_part
from tintype.web.s3.objects import describe
from tintype.web.s3.placing import open_object, place
from tintype.web.s3.ranges import span_of
from tintype.web.s3.spooled import Spool, Spooled

BLOCK_BYTES = 1 << 20
ONTO_ITSELF = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
    "metadata, storage class, website redirect location or encryption attributes."
)


@final
@dataclass(frozen=True)
class Source:
    """The object that is copied, open."""

    bucket: str
    key: str
    descriptor: int
    size: int
    known: Attributes


def copy_object(context: Context, request: Members) -> Members:
    """A new object with the bytes of another, and with its metadata unless the client gives others."""
    replaces = request.get("MetadataDirective") == "REPLACE"
    with _source(context, request) as source:
        if (source.bucket, source.key) == (request["Bucket"], request["Key"]) and not replaces:
            raise AwsFault("InvalidRequest", ONTO_ITSELF)
        known = source.known
        with Spool(context.buckets.spool, sha256=False, algorithms=known.checksums) as spool:
            body = _copied(source.descriptor, 0, source.size, spool)
            checksums = {} if known.part_sizes else body.checksums
            if replaces:
                described = describe(request, body.md5.hex(), checksums)
            else:
                described = Attributes(body.md5.hex(), known.headers, known.metadata, checksums, known.tags)
            place(context.buckets, request["Bucket"], request["Key"], body.path, described, request)
    return {"CopyObjectResult": {"ETag": described.quoted_etag, "LastModified": context.now()}}


def upload_part_copy(context: Context, request: Members) -> Members:
    """A part of an upload with the bytes, or a range of them, of an object."""
    asked = request.get("CopySourceRange")
    with _source(context, request) as source:
        span = span_of(asked, source.size)
        if asked and span is None:
            raise AwsFault("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last")
        start, end = (span.start, span.end) if span else (0, source.size)
        with Spool(context.buckets.spool, sha256=False, algorithms=()) as spool:
            kept = keep_part(context, request, _copied(source.descriptor, start, end, spool))
    return {"CopyPartResult": {"ETag": kept["ETag"], "LastModified": context.now()}}


@contextmanager
def _source(context: Context, request: Members) -> Iterator[Source]:
    bucket, key = parse_source(request["CopySource"])
    path, descriptor = open_object(context.buckets, bucket, key)
    try:
        stat = os.fstat(descriptor)
        known = attributes.read(path, stat, context.buckets.aside, descriptor)
        check_copying(request, known.etag, last_modified(stat.st_mtime))
        yield Source(bucket, key, descriptor, stat.st_size, known)
    finally:
        os.close(descriptor)


def parse_source(text: str) -> tuple[str, str]:
    """`/bucket/key` or `bucket/key`, percent-encoded, perhaps with a version after it. Raises `AwsFault`."""
    path, _, version = text.partition("?versionId=")
    bucket, _, key = decoded(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise AwsFault("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    if version not in ("", "null"):
        raise AwsFault("NoSuchVersion", "The specified version does not exist: buckets here keep one.", 404)
    return bucket, key


def _copied(descriptor: int, start: int, end: int, spool: Spool) -> Spooled:
    while start < end and (data := os.pread(descriptor, min(BLOCK_BYTES, end - start), start)):
        spool.write(data)
        spool.add_to_md5(data)
        start += len(data)
    return spool.finish({})
