"""Buckets, and the questions that clients ask of them, each answered as S3 does of a bucket with nothing set."""

from __future__ import annotations

from collections.abc import Callable

from tintype.web.account import REGION
from tintype.web.context import Context
from tintype.web.faults import AwsFault
from tintype.web.message import Members
from tintype.web.s3.listing import owner
from tintype.web.s3.objects import everything_to_the_owner

# What S3 says where nothing was set: the code, the message.
UNSET = {
    "GetBucketPolicy": ("NoSuchBucketPolicy", "The bucket policy does not exist"),
    "GetBucketTagging": ("NoSuchTagSet", "The TagSet does not exist"),
    "GetBucketCors": ("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    "GetBucketWebsite": ("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
    "GetBucketLifecycleConfiguration": (
        "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"
    ),
    "GetBucketReplication": (
        "ReplicationConfigurationNotFoundError", "The replication configuration was not found"
    ),
    "GetBucketEncryption": (
        "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"
    ),
    "GetBucketOwnershipControls": ("OwnershipControlsNotFoundError", "The bucket ownership controls were not found"),
    "GetPublicAccessBlock": (
        "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"
    ),
    "GetObjectLockConfiguration": (
        "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"
    ),
}  # fmt: skip


def list_buckets(context: Context, request: Members) -> Members:
    """All of them."""
    prefix = request.get("Prefix", "")
    found = [one for one in context.buckets.list() if one.name.startswith(prefix)]
    rows = [{"Name": one.name, "CreationDate": one.created, "BucketRegion": one.region or REGION} for one in found]
    return {"Buckets": rows, "Owner": owner(context)}


def create_bucket(context: Context, request: Members) -> Members:
    """A new one. As in us-east-1, making one's own again is no error there, and is elsewhere."""
    region = (request.get("CreateBucketConfiguration") or {}).get("LocationConstraint") or REGION
    if not context.buckets.create(request["Bucket"], region) and region != REGION:
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise AwsFault("BucketAlreadyOwnedByYou", message, 409, {"BucketName": request["Bucket"]})
    return {"Location": f"/{request['Bucket']}"}


def head_bucket(context: Context, request: Members) -> Members:
    """Whether there is one."""
    bucket = context.buckets.get(request["Bucket"])
    return {"BucketRegion": bucket.region or REGION, "AccessPointAlias": False}


def delete_bucket(context: Context, request: Members) -> Members:
    """An empty one."""
    context.buckets.delete(request["Bucket"])
    return {}


def get_bucket_location(context: Context, request: Members) -> Members:
    """Nothing stands for us-east-1."""
    region = context.buckets.get(request["Bucket"]).region or REGION
    return {"LocationConstraint": "" if region == REGION else region}


def get_bucket_acl(context: Context, request: Members) -> Members:
    """All to the one owner."""
    context.buckets.directory(request["Bucket"])
    return everything_to_the_owner(context)


def get_bucket_request_payment(context: Context, request: Members) -> Members:
    """Whoever owns it."""
    context.buckets.directory(request["Bucket"])
    return {"Payer": "BucketOwner"}


def nothing_set(context: Context, request: Members) -> Members:
    """An empty configuration, where S3 has no error for that."""
    context.buckets.directory(request["Bucket"])
    return {}


def unset(operation: str) -> Callable[[Context, Members], Members]:
    """A function that says that nothing was set, for one of `UNSET`."""
    code, message = UNSET[operation]

    def say(context: Context, request: Members) -> Members:
        context.buckets.directory(request["Bucket"])
        raise AwsFault(code, message, 404, {"BucketName": request["Bucket"]})

    return say
