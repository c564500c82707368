"""The operations of multipart uploads: parts come in any order, and become the object when the client says so."""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tintype.storage import storage_errors
from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.message import Members
from tintype.web.s3 import uploads
from tintype.web.s3.attributes import Attributes
from tintype.web.s3.checksums import ALGORITHMS, MEMBERS, text
from tintype.web.s3.key_paths import check_key
from tintype.web.s3.listing import MOST_KEYS, last_modified, owner
from tintype.web.s3.objects import describe
from tintype.web.s3.placing import place
from tintype.web.s3.spooled import Slot, Spooled
from tintype.web.s3.uploads import Part, Upload

SMALLEST_PART = 5 * 1024**2         # bytes; the last may be smaller
MOST_PARTS = 10_000


def create_multipart_upload(context: Context, request: Members) -> Members:
    """A place for parts."""
    context.buckets.directory(request["Bucket"])
    upload_id = secrets.token_hex(16)
    described = describe(request, "", {})
    algorithm = request.get("ChecksumAlgorithm")
    kind = request.get("ChecksumType") or ("FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE")
    checksum_type = kind if algorithm else None
    directory = context.buckets.uploads / request["Bucket"] / upload_id
    uploads.begin(directory, check_key(request["Key"]), described, algorithm, checksum_type)
    return {
        "Bucket": request["Bucket"],
        "Key": request["Key"],
        "UploadId": upload_id,
        "ChecksumAlgorithm": algorithm,
        "ChecksumType": checksum_type,
    }


def upload_part(context: Context, request: Members) -> Members:
    """The body becomes the part of that number, in place of one that was there."""
    return keep_part(context, request, request["Body"])


def find_slot(context: Context, request: Members, size: int | None) -> Slot | None:
    """Where the body of a part may be written at once, when its size is known. Raises `AwsFault` NoSuchUpload."""
    upload, number = _upload(context, request), _number(request)
    with _still_there():
        return None if size is None else upload.slot(number, size)


def keep_part(context: Context, request: Members, body: Spooled) -> Members:
    """A part, wherever it came from, under its number."""
    upload, number = _upload(context, request), _number(request)
    with _still_there(), storage_errors(upload.directory):
        part = upload.keep(number, body)
    return {
        "ETag": f'"{part.etag}"',
        **{MEMBERS[name]: value for name, value in body.checksums.items() if name in body.expected},
    }


def complete_multipart_upload(context: Context, request: Members) -> Members:
    """The parts, in the order of the list, become the object."""
    upload = _upload(context, request)
    parts = _listed_parts(upload, (request.get("MultipartUpload") or {}).get("Parts") or [])
    digest = hashlib.md5(b"".join(bytes.fromhex(one.etag) for one in parts), usedforsecurity=False).hexdigest()
    checksums = _joined_checksums(upload, parts)
    known, sizes = upload.described, tuple(one.size for one in parts)
    described = Attributes(f"{digest}-{len(parts)}", known.headers, known.metadata, checksums, known.tags, sizes)
    with _still_there():
        file = upload.joined(parts, context.buckets.spool)
        try:
            place(context.buckets, request["Bucket"], upload.key, file, described, request)
        finally:
            if file != upload.whole:
                file.unlink(missing_ok=True)
    shutil.rmtree(upload.directory, ignore_errors=True)
    return {
        "Location": f"{context.base_url}/{request['Bucket']}/{upload.key}",
        "Bucket": request["Bucket"],
        "Key": upload.key,
        "ETag": described.quoted_etag,
        **{MEMBERS[name]: value for name, value in checksums.items()},
    }


def abort_multipart_upload(context: Context, request: Members) -> Members:
    """The parts are removed."""
    shutil.rmtree(_upload(context, request).directory, ignore_errors=True)
    return {}


def list_parts(context: Context, request: Members) -> Members:
    """What is there so far."""
    upload = _upload(context, request)
    most = min(request.get("MaxParts", MOST_KEYS), MOST_KEYS)
    after = int(request.get("PartNumberMarker") or 0)
    rows = [part for part in upload.parts() if part.number > after]
    shown = rows[:most]
    return {
        "Bucket": request["Bucket"],
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": after,
        "NextPartNumberMarker": shown[-1].number if shown else None,
        "MaxParts": most,
        "IsTruncated": len(rows) > len(shown),
        "Parts": [_shown_part(part) for part in shown],
        "Owner": owner(context),
        "StorageClass": "STANDARD",
    }


def list_multipart_uploads(context: Context, request: Members) -> Members:
    """Those of a bucket, by key."""
    context.buckets.directory(request["Bucket"])
    prefix, most = request.get("Prefix", ""), min(request.get("MaxUploads", MOST_KEYS), MOST_KEYS)
    after = (request.get("KeyMarker", ""), request.get("UploadIdMarker") or chr(0x10FFFF))
    folder = context.buckets.uploads / request["Bucket"]
    every = [uploads.find(path) for path in (folder.iterdir() if folder.is_dir() else ())]
    found = [(one.key, one.id, one.directory.stat().st_mtime) for one in every if one is not None]
    rows = [one for one in sorted(found) if one[0].startswith(prefix) and (not after[0] or one[:2] > after)]
    shown = rows[:most]
    return {
        "Bucket": request["Bucket"],
        "Prefix": prefix,
        "KeyMarker": request.get("KeyMarker", ""),
        "MaxUploads": most,
        "IsTruncated": len(rows) > len(shown),
        "NextKeyMarker": shown[-1][0] if len(rows) > len(shown) else None,
        "NextUploadIdMarker": shown[-1][1] if len(rows) > len(shown) else None,
        "Uploads": [
            {"Key": key, "UploadId": name, "Initiated": last_modified(modified), "StorageClass": "STANDARD"}
            for key, name, modified in shown
        ],
    }


def _upload(context: Context, request: Members) -> Upload:
    context.buckets.directory(request["Bucket"])
    found = uploads.find(context.buckets.uploads / request["Bucket"] / request["UploadId"])
    if found is None or found.key != request["Key"]:
        raise AwsFault(
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
            "completed.",
            404,
            {"UploadId": request["UploadId"]},
        )
    return found


@contextmanager
def _still_there() -> Iterator[None]:
    """Another request may complete the upload, or give it up, meanwhile."""
    try:
        yield
    except FileNotFoundError as error:
        raise AwsFault("NoSuchUpload", "The specified upload does not exist any more.", 404) from error


def _number(request: Members) -> int:
    number: int = request["PartNumber"]
    if not 1 <= number <= MOST_PARTS:
        raise AwsFault("InvalidArgument", f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive")
    return number


def _listed_parts(upload: Upload, listed: list[Members]) -> list[Part]:
    if not listed:
        raise AwsFault("MalformedXML", "A list of parts must be given.")
    numbers = [one.get("PartNumber", 0) for one in listed]
    if numbers != sorted(set(numbers)):
        raise AwsFault("InvalidPartOrder", "The list of parts was not in ascending order.")
    found = []
    for one in listed:
        part = upload.part(one.get("PartNumber", 0))
        if part is None or one.get("ETag", "").strip('"') not in ("", part.etag):
            raise AwsFault(
                "InvalidPart",
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
                "specified entity tag may not match the part's entity tag.",
            )
        for name, member in MEMBERS.items():
            if one.get(member) and one[member] != part.checksums.get(name, one[member]):
                raise AwsFault("InvalidPart", f"The {name} of part {part.number} is another.")
        found.append(part)
    if any(part.size < SMALLEST_PART for part in found[:-1]):
        raise AwsFault("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    return found


def _joined_checksums(upload: Upload, parts: list[Part]) -> dict[str, str]:
    """The checksum of the parts' checksums. One of the whole would need all bytes again: none is given then."""
    algorithm = upload.algorithm
    if not algorithm or upload.checksum_type != "COMPOSITE":
        return {}
    digests = [one.checksums.get(algorithm) for one in parts]
    if not all(digests):
        return {}
    whole = ALGORITHMS[algorithm]()
    for digest in digests:
        whole.update(base64.b64decode(str(digest)))
    return {algorithm: f"{text(whole.digest())}-{len(parts)}"}


def _shown_part(part: Part) -> Members:
    return {
        "PartNumber": part.number,
        "LastModified": last_modified(part.modified),
        "ETag": f'"{part.etag}"',
        "Size": part.size,
        **{MEMBERS[name]: value for name, value in part.checksums.items()},
    }
