"""Lists of keys: as S3 would list them, whatever the keys, the delimiter and the size of a page."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web.running import Running
from tintype.web.s3.attributes import Attributes
from tintype.web.s3.buckets import Buckets
from tintype.web.s3.placing import place
from tintype.web.s3.walk import LAST, Walk

Code = Callable[..., str]
KEYS = st.lists(st.text(alphabet="ab/.-0é", min_size=1, max_size=9), max_size=14, unique=True)


def expected(keys: list[str], prefix: str, after: str, delimiter: str) -> list[str]:
    """By the definition, slowly."""
    found: list[str] = []
    for key in sorted(keys):
        if not key.startswith(prefix) or key <= after:
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        shown = key if end < 0 else key[: end + len(delimiter)]
        if shown not in found and shown + LAST != after:
            found.append(shown)
    return found


@settings(max_examples=150)
@given(
    keys=KEYS,
    prefix=st.text(alphabet="ab/.", max_size=4),
    delimiter=st.sampled_from(["", "/", "-", "a/"]),
    data=st.data(),
)
def test_any_keys_are_listed_as_they_should_be(
    tmp_path_factory: Any, keys: list[str], prefix: str, delimiter: str, data: st.DataObject
) -> None:
    after = data.draw(st.sampled_from(["", *keys, "a", "b/", "a/b"]))
    buckets = Buckets(tmp_path_factory.mktemp("listing"))
    buckets.prepare()
    buckets.create("bucket")
    for number, key in enumerate(keys):
        file = buckets.spool / str(number)
        file.write_bytes(key.encode())
        place(buckets, "bucket", key, file, Attributes("etag"))
    found = list(Walk(buckets.root / "bucket", prefix, after, delimiter).run())
    assert [one.key for one in found] == expected(keys, prefix, after, delimiter)
    assert all(Path(one.path).read_bytes() == one.key.encode() for one in found if one.path)
    every = [one.key for one in Walk(buckets.root / "bucket").run()]
    assert every == sorted(keys)


def test_pages_join_to_the_whole(s3: Any, bucket: str) -> None:
    keys = sorted(
        [f"a/{number}" for number in range(7)] + [f"b{number}/x" for number in range(5)] + ["c", "d é+", "b0"]
    )
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for size in (1, 2, 3, 1000):
        paged = {"PaginationConfig": {"PageSize": size}}
        for name in ("list_objects_v2", "list_objects"):
            pages = s3.get_paginator(name).paginate(Bucket=bucket, **paged)
            assert [one["Key"] for page in pages for one in page.get("Contents", ())] == keys
            pages = s3.get_paginator(name).paginate(Bucket=bucket, Delimiter="/", **paged)
            found = [
                (one.get("Key"), one.get("Prefix"))
                for page in pages
                for one in [*page.get("Contents", ()), *page.get("CommonPrefixes", ())]
            ]
            groups = [group for _, group in found if group]
            assert groups == ["a/", *(f"b{number}/" for number in range(5))], (name, size)
            assert [key for key, _ in found if key] == ["b0", "c", "d é+"]
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, **paged)
        assert [one["Key"] for page in pages for one in page.get("Versions", ())] == keys


def test_what_a_page_says(s3: Any, bucket: str, code_of: Code) -> None:
    s3.put_object(Bucket=bucket, Key="a/b c", Body=b"xyz")
    found = s3.list_objects_v2(Bucket=bucket, Prefix="a/", StartAfter="a/b", FetchOwner=True)
    one = found["Contents"][0]
    assert (one["Key"], one["Size"], one["StorageClass"]) == ("a/b c", 3, "STANDARD")
    assert (found["KeyCount"], found["Prefix"], found["StartAfter"], found["Name"]) == (1, "a/", "a/b", bucket)
    assert one["Owner"]["DisplayName"] == "tintype"
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    assert s3.list_objects_v2(Bucket=bucket, Prefix="\x01")["KeyCount"] == 0
    assert s3.list_objects_v2(Bucket=bucket, Prefix="../")["KeyCount"] == 0
    assert s3.list_objects_v2(Bucket=bucket, Prefix=".tintype-x/")["KeyCount"] == 0
    assert code_of(s3.list_objects_v2, Bucket=bucket, ContinuationToken="?") == "InvalidArgument"
    assert code_of(s3.list_objects_v2, Bucket="no-such-bucket") == "NoSuchBucket"


def test_the_resource_of_a_bucket(server: Running, bucket: str, s3: Any) -> None:
    key = server.key
    resource = boto3.resource(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
    )
    found = resource.Bucket(bucket)
    found.put_object(Key="a/1", Body=b"x")
    found.put_object(Key="b", Body=b"x")
    assert [one.key for one in found.objects.filter(Prefix="a/")] == ["a/1"]
    found.objects.all().delete()
    assert list(found.objects.all()) == []


def test_names_that_are_no_keys_are_passed_over(s3: Any, bucket: str, server: Running) -> None:
    folder = server.home / "s3" / bucket
    (folder / "real").write_bytes(b"x")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "round").symlink_to(folder)  # a person's own link, which goes round in circles
    os.mkdir(os.fsencode(folder) + b"/\xff\xfe")
    (folder / "empty").mkdir()
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["real"]
    found = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert "CommonPrefixes" not in found
