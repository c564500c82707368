"""Where a profile is: a folder, or a prefix of S3 that is copied here file by file, and again as files come or grow.

S3 is read by boto3, which heeds AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from urllib.parse import urlparse

from tintype.profiler.readers import JobProfile

SCHEME = "s3"


class ProfileSource:
    """The newest state of a profile, as often as it is asked for. `path` is a folder or an `s3://` URL."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._sizes: dict[str, int] = {}
        self.root = Path(self.path)                     # the folder that is read
        if self.is_s3:
            self.root = Path(tempfile.mkdtemp(prefix="smdebug-"))
            weakref.finalize(self, shutil.rmtree, self.root, ignore_errors=True)
        self._profile: JobProfile | None = None

    @property
    def is_s3(self) -> bool:
        """It has to be fetched."""
        return urlparse(self.path).scheme == SCHEME

    def refresh(self) -> JobProfile:
        """Look for what is new, and return the profile as it is now."""
        if self.is_s3:
            self._fetch()
        self._profile = JobProfile(self.root)
        return self._profile

    def profile(self) -> JobProfile:
        """The profile as it was when it was last refreshed."""
        return self._profile or self.refresh()

    def _fetch(self) -> None:
        import boto3

        where = urlparse(self.path)
        bucket, prefix = where.netloc, where.path.strip("/") + "/"
        client = boto3.client("s3")
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                name = item["Key"][len(prefix) :]
                target = self.root / name
                if self._sizes.get(name) == item["Size"] or not target.resolve().is_relative_to(self.root.resolve()):
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(bucket, item["Key"], str(target))
                self._sizes[name] = item["Size"]
