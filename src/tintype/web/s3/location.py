"""`s3://bucket/key` taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

from tintype.errors import InvalidRequest


@final
@dataclass(frozen=True)
class S3Location:
    """A bucket and a key or prefix, which may be empty."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """From `s3://bucket/key`. Raises `InvalidRequest`."""
        scheme, separator, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not separator or not bucket:
            raise InvalidRequest(f"{uri!r} is no S3 URI; it should be like s3://bucket/key")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"
