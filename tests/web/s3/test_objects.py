"""Objects through real boto3: what is put is got, whole and in part, with everything that was said of it."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.running import Running

Code = Callable[..., str]
HARD_KEYS = (
    "plain.txt",
    "a/b/c",
    "a b/+c%20é&=?#",
    "日本語/🙂.jpg",
    "trailing/",
    "//double//",
    "/leading",
    "..",
    "../../etc/passwd",
    "a/../b",
    "./a",
    ".",
    "a/.",
    "a//",
    "%2e%2e/%2e%2e",
    "quote\"'<>&;",
    "tab\tnew\nline\r",
    "x" * 255,
    "y/" * 60 + "z",
    ".hidden",
    ".buckets/x",
    "back\\slash",
    "~",
    "*",
    "a:b",
    " ",
    "\u200b",
    "\x01\x7f",
)


@pytest.mark.parametrize("key", HARD_KEYS)
def test_a_key_may_be_anything_and_stays_in_its_bucket(s3: Any, bucket: str, server: Running, key: str) -> None:
    before = {path for path in server.home.rglob("*") if f"/{bucket}" not in str(path)}
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert list((server.home / "s3" / bucket).iterdir()) == []
    assert {path for path in server.home.rglob("*") if f"/{bucket}" not in str(path)} <= before


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("x" * 256, "KeyTooLongError"),
        ("x/" * 600, "KeyTooLongError"),
        ("a/.tintype-object", "InvalidArgument"),
        ("nul\0", "InvalidArgument"),
        ("/" * 1024, "KeyTooLongError"),
    ],
)
def test_what_cannot_be_a_key_is_refused(s3: Any, bucket: str, code_of: Code, key: str, code: str) -> None:
    assert code_of(s3.put_object, Bucket=bucket, Key=key, Body=b"x") == code
    assert code_of(s3.get_object, Bucket=bucket, Key=key) == code


def test_a_key_may_be_the_folder_of_others(s3: Any, bucket: str) -> None:
    contents = {key: key.encode() for key in ("a", "a/b", "a/", "a/b/c", "a//b", "a/b/")}
    for key, content in contents.items():
        s3.put_object(Bucket=bucket, Key=key, Body=content, Metadata={"key": key})
    for key, content in contents.items():
        found = s3.get_object(Bucket=bucket, Key=key)
        assert (found["Body"].read(), found["Metadata"]) == (content, {"key": key})
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == sorted(contents)
    s3.delete_object(Bucket=bucket, Key="a")
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == sorted(set(contents) - {"a"})


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_any_text_as_a_key_round_trips_or_is_refused(s3: Any, server: Running, key: str) -> None:
    s3.create_bucket(Bucket="any-text")
    if "\0" in key or any(len(part.encode()) > 255 for part in key.split("/")):
        with pytest.raises(s3.exceptions.ClientError, match=r"InvalidArgument|KeyTooLong"):
            s3.put_object(Bucket="any-text", Key=key, Body=b"x")
        return
    s3.put_object(Bucket="any-text", Key=key, Body=b"x")
    listed = s3.list_objects_v2(Bucket="any-text")["Contents"]
    assert [one["Key"] for one in listed] == [key]
    s3.delete_object(Bucket="any-text", Key=key)


def test_everything_said_of_an_object_is_given_back(s3: Any, bucket: str) -> None:
    said = {
        "ContentType": "image/jpeg",
        "CacheControl": "max-age=3",
        "ContentDisposition": 'attachment; filename="ä.jpg"',
        "ContentLanguage": "de",
        "ContentEncoding": "gzip",
        "Metadata": {"one": "1", "two-words": "a b", "umlaut": "ue"},
    }
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"body", Tagging="a=1&b=2", ServerSideEncryption="aws:kms", **said)
    assert put["ETag"] == f'"{hashlib.md5(b"body").hexdigest()}"'
    for found in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert {name: found[name] for name in said if name != "ContentDisposition"} == {
            name: value for name, value in said.items() if name != "ContentDisposition"
        }
        assert (found["ETag"], found["ContentLength"], found["TagCount"]) == (put["ETag"], 4, 2)
        assert abs(found["LastModified"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": "2"},
    ]
    replaced = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/x", ResponseCacheControl="no-store")
    assert (replaced["ContentType"], replaced["CacheControl"]) == ("text/x", "no-store")


def test_too_much_metadata_is_refused(s3: Any, bucket: str, code_of: Code) -> None:
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Metadata={"a": "x" * 3000}) == "MetadataTooLarge"


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("bytes=0-0", b"0"),
        ("bytes=2-4", b"234"),
        ("bytes=7-", b"789"),
        ("bytes=-3", b"789"),
        ("bytes=-30", b"0123456789"),
        ("bytes=8-99", b"89"),
    ],
)
def test_ranges(s3: Any, bucket: str, asked: str, got: bytes) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    found = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert (found["Body"].read(), found["ResponseMetadata"]["HTTPStatusCode"]) == (got, 206)
    start = b"0123456789".index(got)
    assert found["ContentRange"] == f"bytes {start}-{start + len(got) - 1}/10"


def test_a_range_outside_is_refused_and_one_that_is_none_is_passed_over(s3: Any, bucket: str, code_of: Code) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert code_of(s3.get_object, Bucket=bucket, Key="k", Range="bytes=10-") == "InvalidRange"
    assert s3.get_object(Bucket=bucket, Key="k", Range="lines=1-2")["ResponseMetadata"]["HTTPStatusCode"] == 200
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""


def test_conditions_of_reading(s3: Any, bucket: str, code_of: Code) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    now = datetime.now(UTC)
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["ETag"] == etag
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfMatch='"other"') == "PreconditionFailed"
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == "304"
    assert code_of(s3.head_object, Bucket=bucket, Key="k", IfNoneMatch="*") == "304"
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=now + timedelta(hours=1)) == "304"
    earlier = now - timedelta(hours=1)
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfUnmodifiedSince=earlier) == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=now + timedelta(hours=1))["ETag"] == etag


def test_conditions_of_writing(s3: Any, bucket: str, code_of: Code) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"other"') == "PreconditionFailed"
    assert code_of(s3.put_object, Bucket=bucket, Key="none", Body=b"2", IfMatch=etag) == "NoSuchKey"
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"3"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_kept_and_given_back(s3: Any, bucket: str, algorithm: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"body", ChecksumAlgorithm=algorithm)
    found = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")  # boto3 checks it itself
    assert found["Body"].read() == b"body"
    assert found[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    asked = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectSize", "ETag"])
    assert (asked["ObjectSize"], asked["Checksum"][f"Checksum{algorithm}"]) == (4, put[f"Checksum{algorithm}"])


def test_a_wrong_checksum_leaves_no_object(s3: Any, bucket: str, code_of: Code) -> None:
    wrong = base64.b64encode(zlib.crc32(b"other").to_bytes(4)).decode()
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"body", ChecksumCRC32=wrong) == "BadDigest"
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"body", ContentMD5=md5) == "BadDigest"
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"body", ContentMD5="x") == "InvalidDigest"
    assert code_of(s3.get_object, Bucket=bucket, Key="k") == "NoSuchKey"


def test_a_wrong_payload_hash_leaves_no_object(server: Running, bucket: str, s3: Any) -> None:
    answer = server.send("PUT", f"/{bucket}/k", server.signed("PUT", f"/{bucket}/k", b"body"), b"BODY")
    assert (answer.status, b"XAmzContentSHA256Mismatch" in answer.body) == (400, True)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert list((server.home / "s3" / ".spool").iterdir()) == []


def test_an_object_larger_than_a_block(s3: Any, bucket: str, server: Running) -> None:
    content = os.urandom(3_500_000)
    s3.put_object(Bucket=bucket, Key="k", Body=content)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == content
    part = s3.get_object(Bucket=bucket, Key="k", Range="bytes=1000000-3000000")["Body"].read()
    assert part == content[1_000_000:3_000_001]
    assert (server.home / "s3" / bucket / "k").read_bytes() == content


def test_the_transfer_manager(s3: Any, bucket: str) -> None:
    content = os.urandom(20_000_000)
    s3.upload_fileobj(io.BytesIO(content), bucket, "k", ExtraArgs={"Metadata": {"a": "b"}})
    back = io.BytesIO()
    s3.download_fileobj(bucket, "k", back)
    assert back.getvalue() == content
    head = s3.head_object(Bucket=bucket, Key="k", PartNumber=1)
    assert (head["ContentLength"], head["PartsCount"], head["Metadata"]) == (8 * 1024**2, 3, {"a": "b"})
    parts = [content[start : start + 8 * 1024**2] for start in range(0, len(content), 8 * 1024**2)]
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    assert head["ETag"] == f'"{digest}-3"'


def test_many_deleted_at_once(s3: Any, bucket: str, code_of: Code) -> None:
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"a/{number}")
    wanted = [{"Key": f"a/{number}"} for number in range(4)] + [{"Key": "nothing"}, {"Key": "x" * 300}]
    found = s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    assert [one["Key"] for one in found["Deleted"]] == [one["Key"] for one in wanted[:-1]]
    assert found["Errors"][0]["Code"] == "KeyTooLongError"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a/4"]
    many = {"Objects": [{"Key": f"a/{number}"} for number in range(1001)]}
    assert code_of(s3.delete_objects, Bucket=bucket, Delete=many) == "MalformedXML"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls(server: Running, bucket: str, version: str) -> None:
    s3 = server.client("s3", signature_version=version)
    key = "a b/+c%20é.txt"
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})
    with urllib.request.urlopen(
        urllib.request.Request(put, data=b"presigned", method="PUT", headers={"content-type": ""})
    ):
        pass
    get = s3.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key, "ResponseContentType": "text/x"}, ExpiresIn=60
    )
    with urllib.request.urlopen(get) as answer:
        assert (answer.read(), answer.headers["content-type"]) == (b"presigned", "text/x")
    for url in (get.replace("a%20b", "a%20c"), get.replace("Expires=", "Expires=9"), get + "&versionId=null"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url)
        with caught.value as error:
            assert error.code in (400, 403), url


def test_unsigned_payloads(server: Running, bucket: str) -> None:
    s3 = server.client("s3", s3={"payload_signing_enabled": False})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_other_buckets_owners_and_versions(s3: Any, bucket: str, code_of: Code) -> None:
    s3.put_object(Bucket=bucket, Key="k", ExpectedBucketOwner="000000000000")
    assert code_of(s3.get_object, Bucket=bucket, Key="k", ExpectedBucketOwner="111111111111") == "AccessDenied"
    assert code_of(s3.get_object, Bucket=bucket, Key="k", VersionId="v1") == "NoSuchVersion"
    assert code_of(s3.get_object, Bucket="no-such-bucket", Key="k") == "NoSuchBucket"
    assert code_of(s3.head_object, Bucket=bucket, Key="none") == "404"
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Grants"][0]["Permission"] == "FULL_CONTROL"


def test_a_file_put_there_by_hand_is_an_object(s3: Any, bucket: str, server: Running) -> None:
    path = server.home / "s3" / bucket / "by" / "hand.jpg"
    path.parent.mkdir()
    path.write_bytes(b"one")
    first = s3.get_object(Bucket=bucket, Key="by/hand.jpg")
    assert (first["Body"].read(), first["ContentType"]) == (b"one", "image/jpeg")
    s3.put_object(Bucket=bucket, Key="by/hand.jpg", Body=b"two", Metadata={"a": "b"})
    path.write_bytes(b"three")  # what was said of "two" is not said of this
    found = s3.get_object(Bucket=bucket, Key="by/hand.jpg")
    assert (found["Body"].read(), found["Metadata"]) == (b"three", {})
    assert found["ETag"] not in (first["ETag"], f'"{hashlib.md5(b"two").hexdigest()}"')
    assert found["ETag"] == s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ETag"]


def test_a_client_with_checksums_only_when_required(server: Running, bucket: str) -> None:
    s3 = server.client("s3", **{"request_checksum_calculation": "when_required"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})["Deleted"] == [{"Key": "k"}]
