"""Where a tensor log is kept: a path, or a URL."""

from __future__ import annotations

from pathlib import Path

from tintype.debugger.local_files import LocalFiles
from tintype.debugger.log_files import LogFiles
from tintype.debugger.url_files import UrlFiles
from tintype.storage import local_path


def log_files(location: str | Path) -> LogFiles:
    """The files below `location`, a path or a URL."""
    spelt = str(location).strip().rstrip("/") or "/"
    local = local_path(spelt)
    if local is not None:
        return LocalFiles(local)
    if spelt.startswith("s3://"):
        from tintype.debugger.s3_files import S3Files  # here: boto3 takes its time to load

        return S3Files(spelt)
    return UrlFiles(spelt)
