"""A trial in a bucket."""

from __future__ import annotations

from typing import Any

from smdebug.trials.trial import Trial


class S3Trial(Trial):
    """A trial below a prefix of a bucket; needs s3fs. `options` are those of `Trial`."""

    def __init__(self, name: str, bucket_name: str, prefix_name: str = "", **options: Any) -> None:
        self.bucket_name = bucket_name
        self.prefix_name = prefix_name.strip("/")
        super().__init__(name, f"s3://{bucket_name}/{self.prefix_name}".rstrip("/"), **options)
