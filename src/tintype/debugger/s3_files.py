"""A tensor log in a bucket, read with boto3, which every environment that talks to SageMaker has.

s3fs would do as well, but wants a botocore of its own, which is seldom the one that SageMaker's SDK wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import boto3
import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tintype.debugger.log_files import LogFiles
from tintype.debugger.tfrecord import Buffer
from tintype.errors import NotFound, StorageFailed

AT_ONCE = 16                                    # requests; as many connections are kept
MISSING = {"404", "NoSuchKey", "NoSuchBucket"}
PAST_THE_END = "InvalidRange"                   # a read that begins where the object ends


class S3Files(LogFiles):
    """What is below `s3://bucket/prefix`. Credentials and the endpoint are boto3's: its files and `AWS_*`."""

    def __init__(self, url: str) -> None:
        self.location = url
        self._bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        options = Config(max_pool_connections=AT_ONCE, retries={"mode": "standard"})
        self._client: Any = boto3.client("s3", config=options)

    def write(self, path: str, buffers: Sequence[Buffer]) -> None:
        with _told(f"{self.location}/{path}"):
            body = b"".join(bytes(buffer) for buffer in buffers)
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + path, Body=body)

    def names(self, folder: str) -> list[str]:
        return list(self._names(f"{self._prefix}{folder}/"))

    def _names(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        with _told(f"{self.location} ({prefix})"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"):
                yield from (one["Key"].removeprefix(prefix) for one in page.get("Contents", ()) if one["Key"] != prefix)
                yield from (one["Prefix"].removeprefix(prefix)[:-1] for one in page.get("CommonPrefixes", ()))

    def read(self, path: str, start: int = 0, length: int | None = None) -> bytes:
        if length is not None and length <= 0:
            return b""
        end = "" if length is None else start + length - 1
        asked = {"Range": f"bytes={start}-{end}"} if start or length is not None else {}
        try:
            with _told(f"{self.location}/{path}"):
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + path, **asked)
                return answer["Body"].read()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code", "") != PAST_THE_END:
                raise
            return b""

    def read_many(self, paths: Sequence[str]) -> Iterable[bytes | None]:
        with ThreadPoolExecutor(AT_ONCE) as readers:
            yield from readers.map(self._read_or_none, paths)

    def _read_or_none(self, path: str) -> bytes | None:
        try:
            return self.read(path)
        except (NotFound, StorageFailed):
            return None

    def fill(self, path: str, start: int, memory: np.ndarray[Any, Any]) -> int:
        content = self.read(path, start, len(memory))
        memory[: len(content)] = np.frombuffer(content, np.uint8)
        return len(content)

    def size(self, path: str) -> int:
        with _told(f"{self.location}/{path}"):
            return int(self._client.head_object(Bucket=self._bucket, Key=self._prefix + path)["ContentLength"])

    def exists(self, path: str) -> bool:
        try:
            self.size(path)
        except NotFound:
            return False
        return True

    def changed(self, folder: str) -> object:
        return None

    def remove(self, path: str) -> None:
        with _told(f"{self.location}/{path}"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + path)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """boto3's errors as ours: `NotFound`, or `StorageFailed` with what the store said."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in MISSING:
            raise NotFound(f"there is no object {what}") from error
        if code == PAST_THE_END:
            raise
        raise StorageFailed(f"{what}: {error}; check the credentials and the bucket") from error
    except BotoCoreError as error:
        raise StorageFailed(f"{what}: {error}; is the endpoint of S3 (AWS_ENDPOINT_URL) up?") from error
