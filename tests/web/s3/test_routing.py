"""Which bucket and key a request is about."""

from __future__ import annotations

import pytest

from tintype.web.message import Request
from tintype.web.s3.routing import find_operation


@pytest.mark.parametrize(
    ("host", "path", "operation", "whole"),
    [
        ("127.0.0.1:8400", "/photos/a/b.jpg", "GetObject", "/photos/a/b.jpg"),
        ("localhost:8400", "/photos/", "ListObjects", "/photos"),
        ("photos.localhost:8400", "/a/b.jpg", "GetObject", "/photos/a/b.jpg"),
        ("photos.localhost", "/", "ListObjects", "/photos"),
        ("my.dogs.s3.amazonaws.com", "/a", "GetObject", "/my.dogs/a"),
        ("photos.s3.eu-west-1.amazonaws.com", "/a", "GetObject", "/photos/a"),
        ("s3.amazonaws.com", "/photos/a", "GetObject", "/photos/a"),
        ("s3.us-east-1.amazonaws.com", "/", "ListBuckets", "/"),
        ("photos.example.com", "/bucket/a", "GetObject", "/bucket/a"),
        ("", "/bucket/a", "GetObject", "/bucket/a"),
    ],
)
def test_a_bucket_is_in_the_path_or_in_the_hosts_name(host: str, path: str, operation: str, whole: str) -> None:
    found, request = find_operation(Request("GET", path, "", {"host": host} if host else {}))
    assert (found.name, request.path) == (operation, whole)
