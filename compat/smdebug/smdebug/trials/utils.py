"""The way in that notebooks use."""

from __future__ import annotations

from typing import Any

from smdebug.exceptions import SMDebugNotImplementedError
from smdebug.trials.local_trial import LocalTrial
from smdebug.trials.s3_trial import S3Trial
from smdebug.trials.trial import Trial


def create_trial(
    path: str,
    name: str | None = None,
    profiler: bool = False,
    output_dir: str = "/opt/ml/processing/outputs/",
    **options: Any,
) -> Trial:
    """The trial at a path, an `s3://` URL or any other that fsspec reads. Waits until it has collections.

    `options` are those of `Trial`. Raises `MissingCollectionFiles` when none come.
    """
    path = str(path).strip()
    if profiler:
        raise SMDebugNotImplementedError(f"{path} cannot be read as a profile: rules over profiles are not run here")
    named = path.rstrip("/").rsplit("/", 1)[-1] if name is None else name
    if path.startswith("s3://"):
        bucket, _, prefix = path.removeprefix("s3://").partition("/")
        return S3Trial(named, bucket, prefix, **options)
    return LocalTrial(named, path, **options)
