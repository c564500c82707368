"""Which S3 operation a request is: by its method, its path, the names in its query, and one header."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import final
from urllib.parse import parse_qsl

from botocore.model import OperationModel, StructureShape

from tintype.web.faults import AwsFault
from tintype.web.message import Request
from tintype.web.services import model

COPIES = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}        # with the header x-amz-copy-source
IN_HOST = re.compile(
    r"(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.(?:localhost|s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com)(?::\d+)?"
)
ELSEWHERE = frozenset({"ListDirectoryBuckets", "WriteGetObjectResponse", "CreateSession", *COPIES.values()})


@final
@dataclass(frozen=True)
class Route:
    """What the requests of an operation have in common."""

    name: str
    method: str
    level: int                              # names in the path: 0 none, 1 a bucket, 2 a key too
    parameters: tuple[tuple[str, str], ...]  # must be in the query; a value of "" is any


def find_operation(request: Request) -> tuple[OperationModel, Request]:
    """The operation, and the request with its path as the model has it. Raises `AwsFault` when there is none.

    A bucket in the host's name, as clients of Amazon's have it, is as one in the path.
    """
    named = IN_HOST.fullmatch(request.header("host"))
    level, path = _level(f"/{named['bucket']}{request.path}" if named else request.path)
    given = request.parameters
    fitting = [
        route
        for route in _routes()
        if (route.method, route.level) == (request.method, level)
        and all(name in given and value in ("", given[name]) for name, value in route.parameters)
    ]
    if not fitting:
        raise AwsFault("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
    name = max(fitting, key=lambda route: len(route.parameters)).name
    if "x-amz-copy-source" in request.headers:
        name = COPIES.get(name, name)
    return model("s3").operation_model(name), replace(request, path=path)


def _level(path: str) -> tuple[int, str]:
    bucket, slash, key = path.removeprefix("/").partition("/")
    if not bucket:
        if slash:
            raise AwsFault("InvalidBucketName", "The specified bucket is not valid.")
        return 0, "/"
    return (2, path) if key else (1, f"/{bucket}")


@cache
def _routes() -> list[Route]:
    found = model("s3")
    current = [found.operation_model(name) for name in found.operation_names if name not in ELSEWHERE]
    # Of two that look the same the one that is not deprecated comes first, and `max` takes the first.
    return [_route(operation) for operation in sorted(current, key=lambda one: one.deprecated)]


def _route(operation: OperationModel) -> Route:
    path, _, query = operation.http["requestUri"].partition("?")
    fixed = parse_qsl(query, keep_blank_values=True)
    shape = operation.input_shape
    required = shape.required_members if isinstance(shape, StructureShape) else []
    members = [shape.members[name].serialization for name in required] if isinstance(shape, StructureShape) else []
    needed = [(one["name"], "") for one in members if one.get("location") == "querystring"]
    return Route(operation.name, operation.http["method"], path.count("{"), (*fixed, *needed))
