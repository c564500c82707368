"""An account of Amazon's, as boto3 finds it: credentials, region, and a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tintype.errors import Conflict, InvalidRequest, JobFailed, TintypeError
from tintype.pipeline.amazon.remote import Remote

TAKEN = ("ResourceInUse",)


def connect(role: str, bucket: str = "") -> Remote:
    """The account of the environment (AWS_PROFILE, AWS_REGION, ...). `InvalidRequest` when there is none.

    Without a `bucket` it is the SageMaker SDK's own, which is made when it is not there.
    """
    if not role.startswith("arn:"):
        raise InvalidRequest(f"--role is the ARN of a role that SageMaker may assume, got {role!r}")
    with amazons_errors():
        session = boto3.Session()
        if not session.region_name:
            raise InvalidRequest("AWS knows no region; set AWS_DEFAULT_REGION")
        name = bucket or f"sagemaker-{session.region_name}-{_account_id(session)}"
        s3 = session.client("s3")
        if not bucket:
            _make_bucket(s3, name, session.region_name)
        clients = session.client("sagemaker"), s3, session.client("logs")
        return Remote(role, session.region_name, name, *clients)


@contextmanager
def amazons_errors() -> Iterator[None]:
    """boto3's errors as ours, with Amazon's own words."""
    try:
        yield
    except ClientError as error:
        raise _ours(error) from error
    except BotoCoreError as error:
        raise InvalidRequest(f"AWS cannot be reached: {error}") from error


def _ours(error: ClientError) -> TintypeError:
    told: Any = error.response.get("Error", {})
    code, message = told.get("Code", ""), told.get("Message", "")
    words = f"AWS refuses: {message} ({code})"
    if code in TAKEN:
        return Conflict(words)
    server = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500
    return JobFailed(words) if server else InvalidRequest(words)


def _account_id(session: boto3.Session) -> str:
    client: Any = session.client("sts")
    return str(client.get_caller_identity()["Account"])


def _make_bucket(s3: Any, name: str, region: str) -> None:
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:
            raise
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **where)
