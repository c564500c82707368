"""The errors that clients of AWS know, and the one table that says which of ours is which of theirs."""

from __future__ import annotations

from typing import Any, final

from tintype.errors import (
    Busy,
    Conflict,
    InvalidRequest,
    JobFailed,
    NotFound,
    StorageFailed,
    TintypeError,
    TooLarge,
    Unauthorised,
)


@final
class AwsFault(Exception):
    """An answer that says no, with AWS's code.

    `members` are further members of the error's shape, as ModelError has (`OriginalStatusCode`, ...).
    """

    def __init__(self, code: str, message: str, status: int = 400, members: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members or {}


# The code of each branch of our errors by service; the first row whose error fits counts. `*` is any other service.
CODES: tuple[tuple[type[TintypeError], dict[str, tuple[str, int]]], ...] = (
    (TooLarge, {
        "s3": ("EntityTooLarge", 400), "sagemaker-runtime": ("ValidationError", 400), "*": ("ValidationException", 400),
    }),
    (InvalidRequest, {
        "s3": ("InvalidArgument", 400), "sagemaker-runtime": ("ValidationError", 400),
        "logs": ("InvalidParameterException", 400), "cloudwatch": ("InvalidParameterValue", 400),
        "ecr": ("InvalidParameterException", 400), "iam": ("ValidationError", 400), "*": ("ValidationException", 400),
    }),
    (NotFound, {
        "s3": ("NoSuchKey", 404), "sagemaker-runtime": ("ValidationError", 400), "iam": ("NoSuchEntity", 404),
        "logs": ("ResourceNotFoundException", 400), "cloudwatch": ("ResourceNotFoundException", 404),
        "ecr": ("RepositoryNotFoundException", 400), "*": ("ResourceNotFound", 400),
    }),
    (Conflict, {
        "s3": ("OperationAborted", 409), "logs": ("ResourceAlreadyExistsException", 400),
        "*": ("ResourceInUse", 400),
    }),
    (Busy, {
        "s3": ("SlowDown", 503), "sagemaker-runtime": ("ServiceUnavailable", 503), "*": ("ThrottlingException", 400),
    }),
    (Unauthorised, {"*": ("AccessDeniedException", 403)}),
    (JobFailed, {"*": ("InternalFailure", 500)}),
    (StorageFailed, {"s3": ("InternalError", 500), "*": ("InternalFailure", 500)}),
)  # fmt: skip


def fault_of(error: TintypeError, service: str) -> AwsFault:
    """What a client of `service` (botocore's name) is told for one of our errors."""
    for kind, codes in CODES:
        if isinstance(error, kind):
            code, status = codes.get(service, codes["*"])
            return AwsFault(code, str(error), status)
    return AwsFault("InternalFailure", str(error), 500)
