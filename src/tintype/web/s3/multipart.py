"""Multipart uploads: a folder of parts in `<home>/s3/.uploads/<bucket>/<id>/`, put together when the client says so.

    upload.json         the key, and what was said of the object to be
    00001.part          the bytes of part 1, with their sums in its attributes
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tintype.errors import NotFound, StorageFailed
from tintype.storage import read_json, storage_errors, write_json
from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.message import Members
from tintype.web.s3 import attributes
from tintype.web.s3.attributes import Attributes
from tintype.web.s3.checksums import ALGORITHMS, MEMBERS, text
from tintype.web.s3.key_paths import check_key
from tintype.web.s3.listing import MOST_KEYS, last_modified, owner
from tintype.web.s3.objects import describe
from tintype.web.s3.placing import place
from tintype.web.s3.spooled import Spooled

UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
SMALLEST_PART = 5 * 1024**2         # bytes; the last may be smaller
MOST_PARTS = 10_000
COPY_BYTES = 1 << 26


@final
@dataclass(frozen=True)
class Upload:
    """One that is not complete."""

    id: str
    key: str
    directory: Path
    described: Attributes           # of the object to be; its ETag is yet empty

    def part(self, number: int) -> Path:
        """The file of a part."""
        return self.directory / f"{number:05d}.part"

    def parts(self) -> Iterator[tuple[int, Path]]:
        """Those that are there, by number."""
        for path in sorted(self.directory.glob("*.part")):
            yield int(path.stem), path


def create_multipart_upload(context: Context, request: Members) -> Members:
    """A place for parts."""
    context.buckets.directory(request["Bucket"])
    upload_id = secrets.token_hex(16)
    described = describe(request, "", {})
    algorithm = request.get("ChecksumAlgorithm")
    kind = request.get("ChecksumType") or ("FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE")
    document = {
        "key": check_key(request["Key"]),
        "described": described.to_json() | {"etag": ""},
        "algorithm": algorithm,
        "checksum_type": kind if algorithm else None,
    }
    write_json(context.buckets.uploads / request["Bucket"] / upload_id / "upload.json", document, durable=False)
    return {
        "Bucket": request["Bucket"],
        "Key": request["Key"],
        "UploadId": upload_id,
        "ChecksumAlgorithm": algorithm,
        "ChecksumType": document["checksum_type"],
    }


def upload_part(context: Context, request: Members) -> Members:
    """The body becomes the part of that number, in place of one that was there."""
    return keep_part(context, request, request["Body"])


def keep_part(context: Context, request: Members, body: Spooled) -> Members:
    """A part, wherever it came from, under its number."""
    upload, number = _upload(context, request), request["PartNumber"]
    if not 1 <= number <= MOST_PARTS:
        raise AwsFault("InvalidArgument", f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive")
    described = Attributes(body.md5.hex(), checksums=body.checksums)
    with storage_errors(upload.directory):
        attributes.write(body.path, described, context.buckets.aside)
        try:
            os.replace(body.path, upload.part(number))
        except FileNotFoundError as error:
            raise AwsFault("NoSuchUpload", "The specified upload does not exist any more.", 404) from error
    return {
        "ETag": described.quoted_etag,
        **{MEMBERS[name]: value for name, value in body.checksums.items() if name in body.expected},
    }


def complete_multipart_upload(context: Context, request: Members) -> Members:
    """The parts, in the order of the list, become the object."""
    upload = _upload(context, request)
    listed = (request.get("MultipartUpload") or {}).get("Parts") or []
    found = _listed_parts(context, upload, listed)
    digest = hashlib.md5(b"".join(bytes.fromhex(one.etag) for _, one, _ in found), usedforsecurity=False).hexdigest()
    document = read_json(upload.directory / "upload.json")
    checksums = _joined_checksums(document, request, [one for _, one, _ in found])
    sizes = tuple(size for _, _, size in found)
    described = Attributes(
        f"{digest}-{len(found)}",
        upload.described.headers,
        upload.described.metadata,
        checksums,
        upload.described.tags,
        sizes,
    )
    file = _joined([path for path, _, _ in found], context.buckets.spool)
    try:
        place(context.buckets, request["Bucket"], upload.key, file, described, request)
    finally:
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
    rows = [(number, path) for number, path in upload.parts() if number > after]
    shown = rows[:most]
    return {
        "Bucket": request["Bucket"],
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": after,
        "NextPartNumberMarker": shown[-1][0] if shown else None,
        "MaxParts": most,
        "IsTruncated": len(rows) > len(shown),
        "Parts": [_shown_part(context, number, path) for number, path in shown],
        "Owner": owner(context),
        "StorageClass": "STANDARD",
    }


def list_multipart_uploads(context: Context, request: Members) -> Members:
    """Those of a bucket, by key."""
    context.buckets.directory(request["Bucket"])
    prefix, most = request.get("Prefix", ""), min(request.get("MaxUploads", MOST_KEYS), MOST_KEYS)
    after = (request.get("KeyMarker", ""), request.get("UploadIdMarker") or chr(0x10FFFF))
    folder = context.buckets.uploads / request["Bucket"]
    found: list[tuple[str, str, Path]] = []
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(NotFound, StorageFailed):         # aborted just now
            found.append((read_json(path / "upload.json")["key"], path.name, path))
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
            {"Key": key, "UploadId": name, "Initiated": last_modified(path.stat().st_mtime), "StorageClass": "STANDARD"}
            for key, name, path in shown
        ],
    }


def _upload(context: Context, request: Members) -> Upload:
    context.buckets.directory(request["Bucket"])
    directory = context.buckets.uploads / request["Bucket"] / request["UploadId"]
    with suppress(NotFound):
        if UPLOAD_ID.fullmatch(request["UploadId"]):
            document = read_json(directory / "upload.json")
            if document["key"] == request["Key"]:
                return Upload(directory.name, document["key"], directory, Attributes.from_json(document["described"]))
    raise AwsFault(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed.",
        404,
        {"UploadId": request["UploadId"]},
    )


def _listed_parts(context: Context, upload: Upload, listed: list[Members]) -> list[tuple[Path, Attributes, int]]:
    if not listed:
        raise AwsFault("MalformedXML", "A list of parts must be given.")
    numbers = [one.get("PartNumber", 0) for one in listed]
    if numbers != sorted(set(numbers)):
        raise AwsFault("InvalidPartOrder", "The list of parts was not in ascending order.")
    found = []
    for one in listed:
        path = upload.part(one.get("PartNumber", 0))
        stat = path.stat() if path.is_file() else None
        known = attributes.read(path, stat, context.buckets.aside) if stat else None
        if stat is None or known is None or one.get("ETag", "").strip('"') not in ("", known.etag):
            raise AwsFault(
                "InvalidPart",
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
                "specified entity tag may not match the part's entity tag.",
            )
        for name, member in MEMBERS.items():
            if one.get(member) and one[member] != known.checksums.get(name, one[member]):
                raise AwsFault("InvalidPart", f"The {name} of part {one['PartNumber']} is another.")
        found.append((path, known, stat.st_size))
    if any(size < SMALLEST_PART for _, _, size in found[:-1]):
        raise AwsFault("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    return found


def _joined(parts: list[Path], spool: Path) -> Path:
    """A new file of all parts. The parts stay, so that a kill halfway leaves everything to be tried again."""
    with storage_errors(spool):
        descriptor, name = tempfile.mkstemp(dir=spool)
        try:
            os.chmod(descriptor, 0o644)
            for part in parts:
                _append(part, descriptor)
        except BaseException:
            os.unlink(name)
            raise
        finally:
            os.close(descriptor)
    return Path(name)


def _append(part: Path, target: int) -> None:
    source = os.open(part, os.O_RDONLY)
    try:
        try:
            while os.copy_file_range(source, target, COPY_BYTES):      # in the kernel, and shared where the disk can
                pass
        except OSError:                                                # not between these file systems
            while data := os.read(source, 1 << 20):
                os.write(target, data)
    finally:
        os.close(source)


def _joined_checksums(document: dict[str, Any], request: Members, parts: list[Attributes]) -> dict[str, str]:
    """Of the whole, of the checksums of the parts; where that cannot be said, what the client says is not repeated."""
    algorithm = document.get("algorithm")
    if not algorithm or document.get("checksum_type") != "COMPOSITE":
        return {}
    digests = [one.checksums.get(algorithm) for one in parts]
    if not all(digests):
        return {}
    whole = ALGORITHMS[algorithm]()
    for digest in digests:
        whole.update(base64.b64decode(str(digest)))
    return {algorithm: f"{text(whole.digest())}-{len(parts)}"}


def _shown_part(context: Context, number: int, path: Path) -> Members:
    stat = path.stat()
    known = attributes.read(path, stat, context.buckets.aside)
    return {
        "PartNumber": number,
        "LastModified": last_modified(stat.st_mtime),
        "ETag": known.quoted_etag,
        "Size": stat.st_size,
        **{MEMBERS[name]: value for name, value in known.checksums.items()},
    }
