"""A real `tintype server` in a process of its own, and the clients of boto3 that speak to it."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from tintype.web.keys import KeyPair, home_key
from tintype.web.message import Request
from tintype.web.signature import Claim, signing_key, string_to_sign

COMMAND = [sys.executable, "-m", "tintype", "server", "--port", "0", "--json"]


@dataclass(frozen=True)
class Answered:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Running:
    """A server seen from outside."""

    home: Path
    url: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def key(self) -> KeyPair:
        return home_key(self.home)

    def client(self, service: str, *, key: KeyPair | None = None, **options: Any) -> Any:
        own = key or self.key
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=own.access_key_id,
            aws_secret_access_key=own.secret_access_key,
            config=Config(retries={"max_attempts": 0}, **options),
        )

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", length: bool = True
    ) -> Answered:
        """A request as it is, on a connection of its own."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=120)
        connection.putrequest(method, target, skip_host=False, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if length and "content-length" not in {name.lower() for name in headers or {}}:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders()
        if body:
            connection.send(body)
        answer = connection.getresponse()
        found = Answered(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        connection.close()
        return found

    def signed(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        service: str = "s3",
        payload_hash: str | None = None,
        headers: Mapping[str, str] | None = None,
        now: datetime | None = None,
    ) -> dict[str, str]:
        """The headers that sign a request, and those given."""
        return sign(self.url, self.key, method, target, body, service, payload_hash, headers or {}, now)

    def ask(self, method: str, target: str, body: bytes = b"", **options: Any) -> Answered:
        """A signed request."""
        return self.send(method, target, self.signed(method, target, body, **options), body)


def sign(
    url: str,
    key: KeyPair,
    method: str,
    target: str,
    body: bytes,
    service: str,
    payload_hash: str | None,
    headers: Mapping[str, str],
    now: datetime | None,
) -> dict[str, str]:
    """The headers of a request signed with a key."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    digest = payload_hash or hashlib.sha256(body).hexdigest()
    signed = {name.lower(): value for name, value in headers.items()}
    signed |= {"host": urlsplit(url).netloc, "x-amz-date": moment, "x-amz-content-sha256": digest}
    path, _, query = target.partition("?")
    claim = Claim(key.access_key_id, moment, "us-east-1", service, tuple(sorted(signed)), "", None)
    text = string_to_sign(claim, Request(method, path, query, signed), digest)
    signature = hmac.digest(
        signing_key(key.secret_access_key, claim), text.encode("utf-8", "surrogateescape"), "sha256"
    )
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={claim.key_id}/{claim.scope}, SignedHeaders={';'.join(claim.signed_headers)}, "
        f"Signature={signature.hex()}"
    )
    del signed["host"]
    return {**signed, "authorization": authorization}


@contextmanager
def running(home: Path, *options: str) -> Iterator[Running]:
    """A server of a home until the block ends. It may not have left a traceback by then."""
    log = home.parent / f"{home.name}.log"
    home.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*COMMAND, "--home", str(home), *options], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout is not None
    text = ""
    while not text.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, log.read_text()
        text += line
    try:
        yield Running(home, json.loads(text)["url"], process, log)
    finally:
        process.terminate()
        process.wait(120)
        process.stdout.close()
    assert "Traceback" not in log.read_text(), log.read_text()
