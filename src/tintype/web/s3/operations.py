"""The table of S3's operations."""

from __future__ import annotations

from collections.abc import Callable

from tintype.web.context import Context
from tintype.web.message import Members
from tintype.web.s3 import bucket_operations, copy, listing, multipart, objects

OPERATIONS: dict[str, Callable[[Context, Members], Members]] = {
    "ListBuckets": bucket_operations.list_buckets,
    "CreateBucket": bucket_operations.create_bucket,
    "HeadBucket": bucket_operations.head_bucket,
    "DeleteBucket": bucket_operations.delete_bucket,
    "GetBucketLocation": bucket_operations.get_bucket_location,
    "GetBucketAcl": bucket_operations.get_bucket_acl,
    "GetBucketRequestPayment": bucket_operations.get_bucket_request_payment,
    "GetBucketVersioning": bucket_operations.nothing_set,
    "GetBucketLogging": bucket_operations.nothing_set,
    "GetBucketAccelerateConfiguration": bucket_operations.nothing_set,
    "GetBucketNotificationConfiguration": bucket_operations.nothing_set,
    **{name: bucket_operations.unset(name) for name in bucket_operations.UNSET},
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "ListObjectVersions": listing.list_object_versions,
    "PutObject": objects.put_object,
    "GetObject": objects.get_object,
    "HeadObject": objects.head_object,
    "DeleteObject": objects.delete_object,
    "DeleteObjects": objects.delete_objects,
    "GetObjectAttributes": objects.get_object_attributes,
    "GetObjectTagging": objects.get_object_tagging,
    "GetObjectAcl": objects.get_object_acl,
    "CopyObject": copy.copy_object,
    "CreateMultipartUpload": multipart.create_multipart_upload,
    "UploadPart": multipart.upload_part,
    "UploadPartCopy": copy.upload_part_copy,
    "CompleteMultipartUpload": multipart.complete_multipart_upload,
    "AbortMultipartUpload": multipart.abort_multipart_upload,
    "ListParts": multipart.list_parts,
    "ListMultipartUploads": multipart.list_multipart_uploads,
}
STREAMING = frozenset({"PutObject", "UploadPart"})      # their bodies go to the disk as they come
