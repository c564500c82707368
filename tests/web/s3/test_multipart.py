"""Multipart uploads: parts in any order, again, copied, listed, given up; nothing is left behind."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.web.running import Running

Code = Callable[..., str]
PART = 5 * 1024**2


def begin(s3: Any, bucket: str, **more: Any) -> dict[str, str]:
    made = s3.create_multipart_upload(Bucket=bucket, Key="k", **more)
    return {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}


def test_parts_become_an_object(s3: Any, bucket: str, server: Running) -> None:
    upload = begin(s3, bucket, Metadata={"a": "b"}, ContentType="x/y")
    contents = {3: b"end", 1: os.urandom(PART), 2: os.urandom(PART + 1)}
    etags = {n: s3.upload_part(**upload, PartNumber=n, Body=content)["ETag"] for n, content in contents.items()}
    etags[2] = s3.upload_part(**upload, PartNumber=2, Body=contents[2])["ETag"]  # again
    listed = s3.list_parts(**upload)
    assert [(one["PartNumber"], one["Size"]) for one in listed["Parts"]] == [(1, PART), (2, PART + 1), (3, 3)]
    assert [one["UploadId"] for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload["UploadId"]]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in (1, 2, 3)]
    made = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    whole = contents[1] + contents[2] + contents[3]
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Body"].read() == whole, found["Metadata"], found["ContentType"]) == (True, {"a": "b"}, "x/y")
    digest = hashlib.md5(b"".join(hashlib.md5(contents[n]).digest() for n in (1, 2, 3))).hexdigest()
    assert made["ETag"] == found["ETag"] == f'"{digest}-3"'
    assert s3.get_object(Bucket=bucket, Key="k", PartNumber=3)["Body"].read() == b"end"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert list((server.home / "s3" / ".spool").iterdir()) == []
    assert list((server.home / "s3" / ".uploads" / bucket).iterdir()) == []


def test_what_cannot_be_completed(s3: Any, bucket: str, code_of: Code) -> None:
    upload = begin(s3, bucket)
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    s3.upload_part(**upload, PartNumber=2, Body=b"y")
    one, two = {"PartNumber": 1, "ETag": etag}, {"PartNumber": 2}

    def code(*parts: dict[str, Any]) -> str:
        return code_of(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": list(parts)})

    assert code({"PartNumber": 1, "ETag": '"other"'}) == "InvalidPart"
    assert code(one, {"PartNumber": 9, "ETag": etag}) == "InvalidPart"
    assert code(two, one) == "InvalidPartOrder"
    assert code(one, two) == "EntityTooSmall"
    assert code() == "MalformedXML"
    assert code_of(s3.upload_part, **upload, PartNumber=10_001, Body=b"x") == "InvalidArgument"
    s3.abort_multipart_upload(**upload)
    assert code(one) == "NoSuchUpload"
    assert code_of(s3.upload_part, **upload, PartNumber=1, Body=b"x") == "NoSuchUpload"
    for name in ("../../../etc", "x", "0" * 32):
        assert code_of(s3.list_parts, Bucket=bucket, Key="k", UploadId=name) == "NoSuchUpload"


def test_an_upload_belongs_to_its_key(s3: Any, bucket: str, code_of: Code) -> None:
    upload = begin(s3, bucket)
    assert code_of(s3.upload_part, **(upload | {"Key": "other"}), PartNumber=1, Body=b"x") == "NoSuchUpload"


def test_one_part_of_any_size(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    etag = s3.upload_part(**upload, PartNumber=7, Body=b"")["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 7, "ETag": etag}]})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b""


def test_pages_of_parts_and_of_uploads(s3: Any, bucket: str) -> None:
    uploads = sorted(s3.create_multipart_upload(Bucket=bucket, Key=f"k{n % 3}")["UploadId"] for n in range(5))
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert sorted(one["UploadId"] for page in pages for one in page["Uploads"]) == uploads
    upload = begin(s3, bucket)
    for number in range(1, 6):
        s3.upload_part(**upload, PartNumber=number, Body=b"x")
    pages = s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": 2})
    assert [one["PartNumber"] for page in pages for one in page["Parts"]] == [1, 2, 3, 4, 5]


def test_the_checksum_of_all_parts(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="CRC32")
    part = s3.upload_part(**upload, PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32")
    listed = {"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}
    made = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [listed]})
    assert made["ChecksumCRC32"].endswith("-1")
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (made["ChecksumCRC32"], "COMPOSITE")


def test_copies(s3: Any, bucket: str, code_of: Code) -> None:
    s3.put_object(Bucket=bucket, Key="a b/+é", Body=b"0123456789", Metadata={"a": "b"}, ContentType="x/y")
    source = {"Bucket": bucket, "Key": "a b/+é"}
    etag = s3.copy_object(Bucket=bucket, Key="same", CopySource=source)["CopyObjectResult"]["ETag"]
    found = s3.get_object(Bucket=bucket, Key="same")
    assert (found["Body"].read(), found["Metadata"], found["ETag"]) == (b"0123456789", {"a": "b"}, etag)
    replace = {"MetadataDirective": "REPLACE", "Metadata": {"c": "d"}}
    s3.copy_object(Bucket=bucket, Key="a b/+é", CopySource=source, **replace)  # onto itself
    assert s3.head_object(Bucket=bucket, Key="a b/+é")["Metadata"] == {"c": "d"}
    assert code_of(s3.copy_object, Bucket=bucket, Key="a b/+é", CopySource=source) == "InvalidRequest"
    assert code_of(s3.copy_object, Bucket=bucket, Key="x", CopySource=f"{bucket}/none") == "NoSuchKey"
    assert code_of(s3.copy_object, Bucket=bucket, Key="x", CopySource="no-such-bucket/none") == "NoSuchBucket"
    assert code_of(s3.copy_object, Bucket=bucket, Key="x", CopySource="nothing") == "InvalidArgument"
    failed = code_of(s3.copy_object, Bucket=bucket, Key="x", CopySource=source, CopySourceIfMatch="no")
    assert failed == "PreconditionFailed"
    upload = begin(s3, bucket)
    part = s3.upload_part_copy(**upload, PartNumber=1, CopySource=source, CopySourceRange="bytes=2-4")
    listed = {"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [listed]})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"234"
    s3.copy(source, bucket, "managed")
    assert s3.get_object(Bucket=bucket, Key="managed")["Body"].read() == b"0123456789"


@pytest.mark.parametrize("key", ["same", "same/below"])
def test_many_writers_of_few_keys(s3: Any, bucket: str, key: str, server: Running) -> None:
    """Whoever reads sees one of the writers' objects whole, and no write or read fails."""
    contents = [bytes([n]) * 50_000 for n in range(6)]
    failed: list[BaseException] = []

    def write(content: bytes, name: str) -> None:
        try:
            client = server.client("s3")
            for _ in range(8):
                client.put_object(Bucket=bucket, Key=name, Body=content)
                assert client.get_object(Bucket=bucket, Key="same")["Body"].read() in contents
                if name != "same":
                    client.delete_object(Bucket=bucket, Key=name)
        except BaseException as error:
            failed.append(error)

    s3.put_object(Bucket=bucket, Key="same", Body=contents[0])
    threads = [
        threading.Thread(target=write, args=(content, key if n % 2 else "same")) for n, content in enumerate(contents)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@pytest.mark.parametrize(
    "sizes",
    [
        [PART, PART, 7],
        [PART, PART + 5, 7],
        [PART + 5, PART, PART, 1],
        [PART, PART],
        [PART, PART * 2],
    ],
)
@pytest.mark.parametrize("order", ["forwards", "backwards"])
def test_parts_of_any_sizes_in_any_order(
    s3: Any, bucket: str, server: Running, sizes: list[int], order: str
) -> None:
    upload = begin(s3, bucket)
    contents = {number: os.urandom(size) for number, size in enumerate(sizes, 1)}
    etags = {}
    for number in sorted(contents, reverse=order == "backwards"):
        etags[number] = s3.upload_part(**upload, PartNumber=number, Body=contents[number])["ETag"]
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in contents]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    path = server.home / "s3" / bucket / "k"
    assert path.read_bytes() == b"".join(contents.values())
    assert path.stat().st_mode & 0o777 == 0o644


def test_some_of_the_parts_that_came(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    contents = {number: os.urandom(PART) for number in (1, 2, 3, 4)}
    etags = {n: s3.upload_part(**upload, PartNumber=n, Body=body)["ETag"] for n, body in contents.items()}
    again = os.urandom(PART)
    etags[2] = s3.upload_part(**upload, PartNumber=2, Body=again)["ETag"]
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in (1, 2, 3)]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == contents[1] + again + contents[3]
    upload = begin(s3, bucket)
    etags = {n: s3.upload_part(**upload, PartNumber=n, Body=body)["ETag"] for n, body in contents.items()}
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in (1, 2)]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == contents[1] + contents[2]


def test_a_part_that_is_longer_than_it_says_never_reaches_the_next(s3: Any, bucket: str, server: Running) -> None:
    upload = begin(s3, bucket)
    target = f"/{bucket}/k?partNumber=1&uploadId={upload['UploadId']}"
    second = os.urandom(PART)
    first = s3.upload_part(**upload, PartNumber=3, Body=os.urandom(PART))["ETag"]
    etag = s3.upload_part(**upload, PartNumber=2, Body=second)["ETag"]
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (PART + 9, b"z" * (PART + 9))
    kind, headers = "STREAMING-UNSIGNED-PAYLOAD-TRAILER", {"x-amz-decoded-content-length": str(PART)}
    answer = server.send("PUT", target, server.signed("PUT", target, payload_hash=kind, headers=headers), body)
    assert (answer.status, b"IncompleteBody" in answer.body) == (400, True)
    assert [one["PartNumber"] for one in s3.list_parts(**upload)["Parts"]] == [2, 3]
    parts = [{"PartNumber": 2, "ETag": etag}, {"PartNumber": 3, "ETag": first}]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read()[:PART] == second


def test_the_last_of_the_part_numbers(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    etag = s3.upload_part(**upload, PartNumber=10_000, Body=b"x" * 100)["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 10_000, "ETag": etag}]})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x" * 100
