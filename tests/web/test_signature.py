"""Signatures as botocore makes them are believed; whatever is changed afterwards is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from tests.web.running import Running
from tintype.web.faults import AwsFault
from tintype.web.keys import KeyPair
from tintype.web.message import Request
from tintype.web.signature import check_holder, read_claim, sha256, verify

KEY = KeyPair("AKIAEXAMPLE", "secret")


def made(auth: Any, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Request:
    """What botocore would send."""
    request = AWSRequest(method, url, headers=dict(headers), data=body)
    auth.add_auth(request)
    parts = urlsplit(request.url)
    sent = {name.lower(): str(value) for name, value in request.headers.items()} | {"host": parts.netloc}
    return Request(method, parts.path, parts.query, sent)


def by_header(
    method: str = "PUT", url: str = "http://127.0.0.1:1/b/k%20%2B?x=1&a=%2F", body: bytes = b"x", **headers: str
) -> Request:
    return made(S3SigV4Auth(Credentials("AKIAEXAMPLE", "secret"), "s3", "us-east-1"), method, url, headers, body)


def by_query(seconds: int = 60) -> Request:
    auth = S3SigV4QueryAuth(Credentials("AKIAEXAMPLE", "secret"), "s3", "us-east-1", seconds)
    return made(auth, "GET", "http://127.0.0.1:1/b/k?response-content-type=a%2Fb", {})


def judge(request: Request, payload_hash: str = sha256(b"x"), key: KeyPair = KEY, now: datetime | None = None) -> None:
    claim = read_claim(request)
    assert claim is not None
    verify(claim, request, payload_hash, key, now or datetime.now(UTC))


def test_what_botocore_signs_is_believed() -> None:
    judge(by_header())
    judge(by_header(**{"x-amz-meta-a": "  two   spaces ", "content-type": "a/b"}))
    judge(by_query(), "UNSIGNED-PAYLOAD")
    auth = SigV4Auth(Credentials("AKIAEXAMPLE", "secret"), "sagemaker", "eu-west-1")
    judge(made(auth, "POST", "http://127.0.0.1:1/endpoints/a%20b/invocations", {}, b"x"))


@pytest.mark.parametrize(
    "changed",
    [
        lambda one: replace(one, method="DELETE"),
        lambda one: replace(one, path="/b/other"),
        lambda one: replace(one, path="/b/k%20+"),
        lambda one: replace(one, query="x=2&a=%2F"),
        lambda one: replace(one, query=one.query + "&more=1"),
        lambda one: replace(one, headers={**one.headers, "host": "elsewhere"}),
        lambda one: replace(one, headers={**one.headers, "x-amz-date": "20260101T000000Z"}),
        lambda one: replace(one, headers={**one.headers, "x-amz-meta-more": "1"}),
        lambda one: replace(one, headers={**one.headers, "authorization": one.headers["authorization"][:-1] + "x"}),
    ],
)
def test_what_is_changed_is_not(changed: Any) -> None:
    with pytest.raises(AwsFault) as caught:
        judge(changed(by_header()))
    assert caught.value.status in (400, 403)


def test_another_body_another_key_another_time() -> None:
    now = datetime.now(UTC)
    for arguments, code in (
        ({"payload_hash": sha256(b"y")}, "SignatureDoesNotMatch"),
        ({"key": KeyPair("AKIAEXAMPLE", "other")}, "SignatureDoesNotMatch"),
        ({"key": KeyPair("AKIAOTHER", "secret")}, "InvalidAccessKeyId"),
        ({"now": now + timedelta(minutes=16)}, "RequestTimeTooSkewed"),
        ({"now": now - timedelta(minutes=16)}, "RequestTimeTooSkewed"),
    ):
        with pytest.raises(AwsFault) as caught:
            judge(by_header(), **arguments)  # type: ignore[arg-type]
        assert caught.value.code == code
    judge(by_header(), now=now + timedelta(minutes=14))


def test_presigned_urls_end() -> None:
    now = datetime.now(UTC)
    with pytest.raises(AwsFault, match="expired"):
        judge(by_query(60), "UNSIGNED-PAYLOAD", now=now + timedelta(seconds=62))
    judge(by_query(3600), "UNSIGNED-PAYLOAD", now=now + timedelta(minutes=50))
    longer = by_query(60)
    longer = replace(longer, query=longer.query.replace("X-Amz-Expires=60", "X-Amz-Expires=600"))
    with pytest.raises(AwsFault, match="does not match"):
        judge(longer, "UNSIGNED-PAYLOAD")
    with pytest.raises(AwsFault, match="604800"):
        judge(replace(longer, query=longer.query.replace("X-Amz-Expires=600", "X-Amz-Expires=604801")))


TEXT = st.text(st.characters(max_codepoint=255), max_size=60)
PIECES = st.sampled_from(
    [
        "AWS4-HMAC-SHA256",
        " Credential=",
        "AKIAEXAMPLE/20260101/us-east-1/s3/aws4_request",
        ",",
        " SignedHeaders=host",
        "/",
        " Signature=",
        "ab" * 32,
        "=",
        ";",
        "host;x-amz-date",
        "\xff",
    ]
)


@given(
    st.lists(PIECES | TEXT, max_size=9).map("".join), TEXT, st.lists(PIECES | TEXT, max_size=5).map("&X-Amz-Date=".join)
)
def test_nothing_but_a_refusal_comes_of_nonsense(authorization: str, moment: str, query: str) -> None:
    headers = {"authorization": "AWS4-HMAC-SHA256" + authorization, "x-amz-date": moment, "host": "h"}
    for request in (
        Request("GET", "/", "", headers),
        Request(
            "GET", "/", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=x&X-Amz-Credential=" + query, {"host": "h"}
        ),
    ):
        with pytest.raises(AwsFault) as caught:
            judge(request)
        assert 400 <= caught.value.status < 500


def test_dates_that_are_none() -> None:
    request = by_header()
    wrong = "20261399T000000Z"
    scope = request.headers["authorization"].replace(request.headers["x-amz-date"][:8], wrong[:8])
    with pytest.raises(AwsFault, match="no moment"):
        judge(replace(request, headers={**request.headers, "authorization": scope, "x-amz-date": wrong}))


def test_the_holder_is_checked_before_the_body_is_read() -> None:
    claim = read_claim(by_header())
    assert claim is not None
    with pytest.raises(AwsFault, match="does not exist in our records"):
        check_holder(claim, KeyPair("AKIAOTHER", ""), datetime.now(UTC))


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("sagemaker", "list_training_jobs", "UnrecognizedClientException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("logs", "describe_log_groups", "UnrecognizedClientException"),
    ],
)
def test_each_service_says_no_in_its_own_words(
    server: Running, service: str, call: str, code: str, code_of: Any
) -> None:
    assert code_of(getattr(server.client(service, key=KeyPair("AKIAOTHER", "x")), call)) == code
    wrong = server.client(service, key=KeyPair(server.key.access_key_id, "x"))
    expected = "InvalidSignatureException" if service in ("sagemaker", "logs") else "SignatureDoesNotMatch"
    assert code_of(getattr(wrong, call)) == expected
