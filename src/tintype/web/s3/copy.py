"""CopyObject and UploadPartCopy: bytes from an object that is here already."""

from __future__ import annotations

import os
from pathlib import Path

from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.message import Members, decoded
from tintype.web.s3 import attributes
from tintype.web.s3.attributes import Attributes
from tintype.web.s3.conditions import check_copying
from tintype.web.s3.listing import last_modified
from tintype.web.s3.multipart import keep_part
from tintype.web.s3.objects import describe
from tintype.web.s3.placing import look, place
from tintype.web.s3.ranges import span_of
from tintype.web.s3.spooled import Spool, Spooled

BLOCK_BYTES = 1 << 20


def copy_object(context: Context, request: Members) -> Members:
    """A new object with the bytes of another, and with its metadata unless the client gives others."""
    bucket, key = _source(request["CopySource"])
    path = look(context.buckets, bucket, key)
    stat = path.stat()
    known = attributes.read(path, stat, context.buckets.aside)
    check_copying(request, known.etag, last_modified(stat.st_mtime))
    replaces = request.get("MetadataDirective") == "REPLACE"
    if (bucket, key) == (request["Bucket"], request["Key"]) and not replaces:
        raise AwsFault(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes.",
        )
    with Spool(context.buckets.spool, sha256=False, algorithms=known.checksums) as spool:
        body = _copied(path, 0, stat.st_size, spool)
        checksums = {} if known.part_sizes else body.checksums
        if replaces:
            described = describe(request, body.md5.hex(), checksums)
        else:
            described = Attributes(body.md5.hex(), known.headers, known.metadata, checksums, known.tags)
        place(context.buckets, request["Bucket"], request["Key"], body.path, described, request)
    return {"CopyObjectResult": {"ETag": described.quoted_etag, "LastModified": context.now()}}


def upload_part_copy(context: Context, request: Members) -> Members:
    """A part of an upload with the bytes, or a range of them, of an object."""
    path = look(context.buckets, *_source(request["CopySource"]))
    stat = path.stat()
    check_copying(request, attributes.read(path, stat, context.buckets.aside).etag, last_modified(stat.st_mtime))
    asked = request.get("CopySourceRange")
    span = span_of(asked, stat.st_size)
    if asked and span is None:
        raise AwsFault("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last")
    start, end = (span.start, span.end) if span else (0, stat.st_size)
    with Spool(context.buckets.spool, sha256=False, algorithms=()) as spool:
        kept = keep_part(context, request, _copied(path, start, end, spool))
    return {"CopyPartResult": {"ETag": kept["ETag"], "LastModified": context.now()}}


def _source(text: str) -> tuple[str, str]:
    """`/bucket/key` or `bucket/key`, percent-encoded, perhaps with a version after it. Raises `AwsFault`."""
    path, _, version = text.partition("?versionId=")
    bucket, _, key = decoded(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise AwsFault("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    if version not in ("", "null"):
        raise AwsFault("NoSuchVersion", "The specified version does not exist: buckets here keep one.", 404)
    return bucket, key


def _copied(path: Path, start: int, end: int, spool: Spool) -> Spooled:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while start < end and (data := os.pread(descriptor, min(BLOCK_BYTES, end - start), start)):
            spool.write(data)
            spool.add_to_md5(data)
            start += len(data)
    finally:
        os.close(descriptor)
    return spool.finish({})
