"""Buckets, what clients ask of them, and ways in and out: jobs' folders shown as objects, objects found as folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.web.running import Running
from tintype.errors import Conflict, InvalidRequest, NotFound
from tintype.web.faults import AwsFault
from tintype.web.s3 import placing
from tintype.web.s3.attributes import Attributes
from tintype.web.s3.buckets import Buckets
from tintype.web.s3.key_paths import OBJECT
from tintype.web.s3.placing import look, place

Code = Callable[..., str]


@pytest.fixture
def buckets(tmp_path: Path) -> Buckets:
    made = Buckets(tmp_path / "s3")
    made.prepare()
    made.create("bucket")
    return made


def put(buckets: Buckets, key: str, content: bytes = b"x") -> None:
    file = buckets.spool / "file"
    file.write_bytes(content)
    place(buckets, "bucket", key, file, Attributes("etag"))


def test_buckets_come_and_go(s3: Any, code_of: Code) -> None:
    s3.create_bucket(Bucket="coming", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket="coming")["LocationConstraint"] == "eu-west-1"
    assert s3.head_bucket(Bucket="coming")["BucketRegion"] == "eu-west-1"
    again = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    assert code_of(s3.create_bucket, Bucket="coming", **again) == "BucketAlreadyOwnedByYou"
    s3.create_bucket(Bucket="plain-one")
    s3.create_bucket(Bucket="plain-one")  # as in us-east-1
    assert s3.get_bucket_location(Bucket="plain-one")["LocationConstraint"] is None
    assert {"coming", "plain-one"} <= {one["Name"] for one in s3.list_buckets()["Buckets"]}
    s3.put_object(Bucket="coming", Key="a/b")
    assert code_of(s3.delete_bucket, Bucket="coming") == "BucketNotEmpty"
    s3.delete_object(Bucket="coming", Key="a/b")
    s3.delete_bucket(Bucket="coming")
    assert code_of(s3.head_bucket, Bucket="coming") == "404"
    assert code_of(s3.delete_bucket, Bucket="coming") == "NoSuchBucket"


@pytest.mark.parametrize("name", ["Capital", "a..b", "-ab", ".buckets", "under_score", "%2e%2e"])
def test_what_is_no_name_of_a_bucket(server: Running, name: str) -> None:
    answer = server.ask("PUT", f"/{name}")
    assert (answer.status, b"InvalidBucketName" in answer.body) == (400, True)
    assert server.ask("GET", f"/{name}/").status == 404


def test_what_was_never_set_is_said_to_be_unset(s3: Any, bucket: str, code_of: Code) -> None:
    for call, code in (
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_tagging, "NoSuchTagSet"),
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_encryption, "ServerSideEncryptionConfigurationNotFoundError"),
        (s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration"),
        (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
    ):
        assert code_of(call, Bucket=bucket) == code
        assert code_of(call, Bucket="no-such-bucket") == "NoSuchBucket"
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Grantee"]["Type"] == "CanonicalUser"
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"


def test_what_is_not_supported_is_named(s3: Any, bucket: str) -> None:
    with pytest.raises(s3.exceptions.ClientError, match=r"PutBucketVersioning of s3 is not supported.*ListObjectsV2"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    with pytest.raises(s3.exceptions.ClientError, match="SelectObjectContent"):
        s3.select_object_content(
            Bucket=bucket,
            Key="k",
            Expression="x",
            ExpressionType="SQL",
            InputSerialization={"CSV": {}},
            OutputSerialization={"CSV": {}},
        )


def test_a_jobs_folder_shows_as_objects_while_it_fills(
    s3: Any, bucket: str, server: Running, tmp_path: Path, code_of: Code
) -> None:
    job = tmp_path / "job" / "debug-output"
    job.mkdir(parents=True)
    Buckets(server.home / "s3").attach(bucket, "out/my-job/debug-output", job)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    (job / "events").mkdir()
    (job / "events" / "0.tfevents").write_bytes(b"tensors")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="out/my-job/debug-output/")["Contents"]
    assert [one["Key"] for one in listed] == ["out/my-job/debug-output/events/0.tfevents"]
    assert s3.get_object(Bucket=bucket, Key=listed[0]["Key"])["Body"].read() == b"tensors"
    for key in (
        "out/my-job/debug-output/mine",
        "out/my-job/debug-output",
        "out/my-job/debug-output/events/0.tfevents/x",
    ):
        assert code_of(s3.put_object, Bucket=bucket, Key=key, Body=b"x") == "AccessDenied"
    s3.put_object(Bucket=bucket, Key="out/my-job/beside", Body=b"x")
    assert code_of(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    assert sorted(path.name for path in job.rglob("*")) == ["0.tfevents", "events"]


def test_attaching_again_is_nothing_new_and_never_hides_an_object(buckets: Buckets, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    buckets.attach("other-bucket", "a/b", one)
    buckets.attach("other-bucket", "a/b/", one)
    with pytest.raises(Conflict, match="other-bucket/a/b"):
        buckets.attach("other-bucket", "a/b", two)
    with pytest.raises(AwsFault, match="may not begin"):
        buckets.attach("other-bucket", "a/.tintype-object", two)


def test_local_paths(buckets: Buckets) -> None:
    for key in ("data/train/1.jpg", "data/train/2.jpg", "data/train2/3.jpg", "data/one.csv", "data/one.json", "top"):
        put(buckets, key)
    root = buckets.root / "bucket"
    assert buckets.local_path("s3://bucket") == root
    assert buckets.local_path("s3://bucket/data/train") == root / "data/train"  # not train2: a person means the folder
    assert buckets.local_path("s3://bucket/data/train/") == root / "data/train"
    assert buckets.local_path("s3://bucket/data/one.csv") == root / "data/one.csv"
    view = buckets.local_path("s3://bucket/data/one")
    assert sorted(path.name for path in view.iterdir()) == ["one.csv", "one.json"]
    assert buckets.local_path("s3://bucket/data/one") == view
    assert sorted(path.name for path in buckets.local_path("s3://bucket/data/tr").iterdir()) == ["train", "train2"]
    for nothing in ("s3://bucket/none", "s3://bucket/data/train/none", "s3://bucket/top/", "s3://bucket/a/b/c"):
        with pytest.raises(NotFound, match="no object at"):
            buckets.local_path(nothing)
    with pytest.raises(AwsFault, match="bucket does not exist; `aws s3 mb s3://"):
        buckets.local_path("s3://no-such-bucket/a")
    for wrong in ("/etc/passwd", "file:///etc/passwd", "s3://", "https://bucket/key"):
        with pytest.raises(InvalidRequest, match="no S3 URI"):
            buckets.local_path(wrong)
    (root / "empty" / "deeper").mkdir(parents=True)
    with pytest.raises(NotFound):
        buckets.local_path("s3://bucket/empty")


def test_what_the_sdk_uploads_below_a_prefix_with_a_slash_at_its_end(buckets: Buckets) -> None:
    for key in ("data//train/1.jpg", "data//valid/2.jpg", "data/", "data/readme.txt"):
        put(buckets, key)
    for uri in ("s3://bucket/data/", "s3://bucket/data"):
        assert sorted(one.name for one in buckets.local_path(uri).iterdir()) == ["readme.txt", "train", "valid"]
    assert [one.name for one in buckets.local_path("s3://bucket/data//train").iterdir()] == ["1.jpg"]
    put(buckets, "only/")
    with pytest.raises(NotFound):
        buckets.local_path("s3://bucket/only/")


def test_a_folder_made_by_a_console_is_no_file_of_a_channel(buckets: Buckets) -> None:
    put(buckets, "data/", b"")
    put(buckets, "data/1.jpg")
    assert [path.name for path in buckets.local_path("s3://bucket/data").iterdir()] == ["1.jpg"]
    assert [path.name for path in buckets.local_path("s3://bucket/data/").iterdir()] == ["1.jpg"]


def test_a_kill_while_an_object_makes_way_loses_nothing(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    put(buckets, "a", b"first")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(placing, "_arrive", killed)
    with pytest.raises(KeyboardInterrupt):
        put(buckets, "a/b", b"second")
    monkeypatch.undo()
    buckets.prepare()
    placing.recover(buckets)
    assert look(buckets, "bucket", "a").read_bytes() == b"first"
    assert (buckets.root / "bucket" / "a" / OBJECT).read_bytes() == b"first"
    put(buckets, "a/b", b"second")
    assert look(buckets, "bucket", "a/b").read_bytes() == b"second"


def test_without_extended_attributes_objects_are_described_all_the_same(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    monkeypatch.setattr(os, "getxattr", refuse)
    file = buckets.spool / "file"
    file.write_bytes(b"x")
    place(buckets, "bucket", "k", file, Attributes("etag", metadata={"a": "b"}))
    path = look(buckets, "bucket", "k")
    assert placing.attributes.read(path, path.stat(), buckets.aside).metadata == {"a": "b"}
    placing.remove(buckets, "bucket", "k")
    assert not [path for path in buckets.aside.rglob("*") if path.is_file()]


def test_leftovers_of_a_killed_upload_are_removed_at_the_next_start(buckets: Buckets) -> None:
    (buckets.spool / "half").write_bytes(b"x" * 100)
    buckets.prepare()
    assert list(buckets.spool.iterdir()) == []
