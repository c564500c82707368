"""What a job that is asked for over the API is given besides its request: where it will be, and what it finds there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import final

from tintype.errors import InvalidRequest, NotFound
from tintype.storage import storage_errors
from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.s3.buckets import Buckets
from tintype.web.s3.key_paths import relative_path
from tintype.web.s3.location import S3Location

S3 = "s3://"
FETCHER = "s3fs"                # what fsspec reads s3:// with; an extra, as few need it
Locate = Callable[[str], str]


@final
@dataclass(frozen=True)
class Surroundings:
    """Of one job, or of all trials of a tuning job."""

    home: Path
    directory: Path                             # of the job; of a tuning job's trials: none that exists
    locate: Locate                              # an s3:// URI of our own as a path, any other location as it is
    destination: Locate                         # an s3:// URI as the path of a folder that can be written to
    environment: Mapping[str, str]              # AWS_*: boto3 in a script speaks to this server

    @property
    def generated(self) -> Path:
        """A folder for what is made of requests: commands, links to the files that a manifest lists."""
        return self.home / "sagemaker"


def surroundings(context: Context, name: str) -> Surroundings:
    """Those of the job called `name`."""
    return Surroundings(
        context.workspace.home,
        context.workspace.job_directory(name),
        lambda uri: locate(context.buckets, uri),
        lambda uri: destination(context.buckets, uri),
        client_environment(context),
    )


def locate(buckets: Buckets, uri: str) -> str:
    """Where to read what is at a location. `NotFound` when our bucket has nothing there, or nobody could fetch it.

    A bucket that is not ours may be one of Amazon's: its URI stays as it is.
    """
    if not uri.startswith(S3):
        return uri
    if _is_ours(buckets, uri):
        return str(buckets.local_path(uri))
    if find_spec(FETCHER) is None:
        bucket = S3Location.parse(uri).bucket
        raise NotFound(
            f"{uri}: there is no bucket {bucket!r} here. `aws s3 mb s3://{bucket}` makes it, and `aws s3 cp --recursive"
            f" FOLDER {uri}` fills it; to read from a bucket at Amazon or elsewhere, `pip install 'tintype[s3]'`"
        )
    return uri


def destination(buckets: Buckets, uri: str) -> str:
    """The folder to write to what will be at an S3 prefix. The bucket is made when there is none."""
    if not uri.startswith(S3):
        raise InvalidRequest(f"an output path is like s3://bucket/prefix, got {uri!r}")
    location = S3Location.parse(uri)
    buckets.create(location.bucket)
    prefix = location.key.strip("/")
    folder = buckets.directory(location.bucket)
    folder = folder / relative_path(prefix) if prefix else folder
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def client_environment(context: Context) -> dict[str, str]:
    """What points the AWS clients in a job at this server."""
    return {
        "AWS_ENDPOINT_URL": context.base_url,
        "AWS_ACCESS_KEY_ID": context.key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": context.key.secret_access_key,
        "AWS_DEFAULT_REGION": context.region,
        "AWS_REGION": context.region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _is_ours(buckets: Buckets, uri: str) -> bool:
    try:
        buckets.directory(S3Location.parse(uri).bucket)
    except AwsFault:
        return False
    return True
