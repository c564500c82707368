"""The services that are spoken here, by botocore's own models of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, ServiceModel

# What the client signs for → botocore's names of the services behind it.
SCOPES: dict[str, tuple[str, ...]] = {
    "s3": ("s3",),
    "sagemaker": ("sagemaker", "sagemaker-runtime", "sagemaker-metrics"),
    "logs": ("logs",),
    "monitoring": ("cloudwatch",),
    "sts": ("sts",),
    "iam": ("iam",),
    "ecr": ("ecr",),
}

# S3's answers are called otherwise on the wire than in the model, where a client must not care.
S3_ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "ListParts": "ListPartsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectTagging": "Tagging",
    "GetObjectAttributes": "GetObjectAttributesResponse",
}


@cache
def model(service: str) -> ServiceModel:
    """botocore's model of a service; read from its files once, which takes some hundredths of a second."""
    loader: Any = botocore.session.get_session().get_component("data_loader")
    return ServiceModel(loader.load_service_model(service, "service-2"), service_name=service)


@cache
def operation(service: str, name: str) -> OperationModel:
    """One operation of a service. Raises botocore's `OperationNotFoundError`."""
    return model(service).operation_model(name)


@cache
def by_target_prefix() -> dict[str, str]:
    """The services whose operation is named in the header X-Amz-Target, by what stands before the point there."""
    names = (name for names in SCOPES.values() for name in names)
    prefixes = ((model(name).metadata.get("targetPrefix"), name) for name in names)
    return {str(prefix): name for prefix, name in prefixes if prefix}
