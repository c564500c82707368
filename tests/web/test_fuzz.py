"""Nonsense on the wire, rightly signed: refused with a 4xx, never a 5xx, a traceback, or silence."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.web.running import Running
from tintype.web.api.operations import OPERATIONS
from tintype.web.s3.operations import OPERATIONS as S3_OPERATIONS
from tintype.web.services import model, operation

EXAMPLES = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON_OPERATIONS = sorted(
    (service, name)
    for service, name in OPERATIONS
    if model(service).metadata.get("targetPrefix") and service != "cloudwatch"
)
SCOPES = {"sagemaker": "sagemaker", "logs": "logs", "ecr": "ecr"}
LOOSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "range",
            "if-match",
            "if-none-match",
            "if-modified-since",
            "if-unmodified-since",
            "content-md5",
            "x-amz-copy-source",
            "x-amz-checksum-crc32",
            "x-amz-checksum-crc64nvme",
            "x-amz-sdk-checksum-algorithm",
            "x-amz-trailer",
            "x-amz-decoded-content-length",
            "x-amz-metadata-directive",
            "x-amz-meta-a",
            "x-amz-tagging",
            "x-amz-mp-object-size",
            "x-amz-copy-source-range",
            "expires",
            "content-encoding",
            "x-amz-expected-bucket-owner",
            "x-amz-acl",
        ]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=24),
    max_size=4,
)
KEYS = st.text(max_size=12).map(lambda text: quote(text.encode("utf-8", "replace")))
QUERIES = st.lists(
    st.sampled_from(
        [
            "list-type=2",
            "uploads",
            "uploadId=x",
            "partNumber=1",
            "partNumber=x",
            "delete",
            "acl",
            "tagging",
            "versions",
            "max-keys=x",
            "max-keys=-1",
            "max-keys=99999999999999999999",
            "continuation-token=%00",
            "prefix=%ff",
            "delimiter=%2F",
            "encoding-type=url",
            "encoding-type=x",
            "versionId=1",
            "location",
            "policy",
            "attributes",
            "select&select-type=2",
            "response-content-type=%0d%0aX:y",
            "start-after=%F0%9F%99%82",
            "max-parts=0",
            "part-number-marker=x",
            "restore",
            "&=&",
        ]
    ),
    max_size=3,
).map("&".join)


def refused(answer: Any) -> None:
    assert answer.status < 500 or (answer.status == 501 and b"NotImplemented" in answer.body), answer


@pytest.fixture(scope="module")
def fuzzed(server: Running) -> str:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="fuzzed")
    s3.put_object(Bucket="fuzzed", Key="k", Body=b"x" * 100)
    return "fuzzed"


@EXAMPLES
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"]),
    bucket=st.sampled_from(["fuzzed", "fuzzed", "none-such", "", "..", "%2e%2e", "%ff"]),
    key=KEYS,
    query=QUERIES,
    headers=HEADERS,
    body=st.binary(max_size=60),
)
@example(method="GET", bucket="fuzzed", key="k", query="response-content-type=%0d%0aX:y", headers={}, body=b"")
@example(
    method="POST",
    bucket="fuzzed",
    key="",
    query="delete",
    headers={},
    body=b"<Delete><Object><Key>\xff</Key></Object></Delete>",
)
@example(method="POST", bucket="fuzzed", key="", query="delete", headers={}, body=b"<Delete></Delete>")
@example(method="POST", bucket="fuzzed", key="", query="delete", headers={}, body=b"<Delete><Object/></Delete>")
def test_s3(
    server: Running, fuzzed: str, method: str, bucket: str, key: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    target = f"/{bucket}" + (f"/{key}" if key else "") + (f"?{query}" if query else "")
    refused(server.ask(method, target, body, headers=headers))


@EXAMPLES
@given(
    kind=st.sampled_from(
        [
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        ]
    ),
    body=st.lists(
        st.sampled_from(
            [
                b"0\r\n",
                b"\r\n",
                b"5\r\nhello\r\n",
                b";chunk-signature=" + b"a" * 64,
                b"fffffffff",
                b"-1",
                b"x-amz-checksum-crc32:AAAA\r\n",
                b"5;x=y",
            ]
        )
        | st.binary(max_size=8),
        max_size=6,
    ).map(b"".join),
)
def test_chunks(server: Running, fuzzed: str, kind: str, body: bytes) -> None:
    headers = {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-decoded-content-length": "5"}
    answer = server.ask("PUT", f"/{fuzzed}/chunks", body, payload_hash=kind, headers=headers)
    assert answer.status in (200, 400, 403), answer


@EXAMPLES
@given(document=LOOSE, which=st.sampled_from(JSON_OPERATIONS), data=st.data())
def test_json(server: Running, document: Any, which: tuple[str, str], data: st.DataObject) -> None:
    """Members of the right name with anything in them, and documents that are no structure at all."""
    service, name = which
    shape = operation(service, name).input_shape
    members = list(getattr(shape, "members", {}))
    if members and data.draw(st.booleans()):
        document = data.draw(st.dictionaries(st.sampled_from(members), LOOSE, max_size=3))
    body = json.dumps(document).encode()
    if data.draw(st.integers(0, 5)) == 0:
        body = body[: len(body) // 2]
    target = f"{model(service).metadata['targetPrefix']}.{name}"
    refused(server.ask("POST", "/", body, service=SCOPES[service], headers={"x-amz-target": target}))


@EXAMPLES
@given(
    service=st.sampled_from(["sagemaker", "logs", "monitoring", "sts", "iam", "ecr", "s3", "x" * 50, "ü"]),
    target=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30) | st.none(),
    path=st.sampled_from(
        [
            "/",
            "/endpoints/a/invocations",
            "/endpoints//x",
            "/service/x/operation/y",
            "/BatchPutMetrics",
            "/service/GraniteServiceVersion20100801/operation/ListMetrics",
            "//",
            "/%00",
        ]
    ),
    cbor=st.booleans(),
    form=st.booleans(),
    body=st.binary(max_size=50),
)
def test_targets(
    server: Running, service: str, target: str | None, path: str, cbor: bool, form: bool, body: bytes
) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"} if form else {}
    if target:
        headers["x-amz-target"] = target
    if cbor:
        headers["smithy-protocol"] = "rpc-v2-cbor"
    own = service if service.isascii() else "s3"
    refused(server.ask("POST", path, body, service=own, headers=headers))


@pytest.mark.parametrize("operation_name", sorted(S3_OPERATIONS))
def test_the_table_of_s3_names_what_the_model_has(operation_name: str) -> None:
    assert operation("s3", operation_name)


@pytest.mark.parametrize(
    "line", ["GET", "GET / HTTP/9", "\0", "PUT /a/b HTTP/1.1\r\nContent-Length: -1", "x" * 200_000]
)
def test_what_is_no_http(server: Running, line: str) -> None:
    address = urlsplit(server.url)
    answer = b""
    with (
        socket.create_connection((str(address.hostname), address.port or 0), timeout=120) as connection,
        contextlib.suppress(OSError),  # it may hang up before it has heard all
    ):
        connection.sendall(line.encode() + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1000)
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer
    assert server.ask("GET", "/").status == 200
