"""ECR's few read calls. Image URIs are names here: jobs run in the environment of Tintype, and nothing is pulled or
pushed.
"""

from __future__ import annotations

from tintype.web.api.operation import Members
from tintype.web.context import Context
from tintype.web.faults import AwsFault


def describe_repositories(context: Context, request: Members) -> Members:
    """There is none, and asked for by name it is not found, which is what callers that then create one expect."""
    return {"repositories": _no_repository(context, request.get("repositoryNames") or [])}


def describe_images(context: Context, request: Members) -> Members:
    """Of a repository that does not exist."""
    return {"imageDetails": _no_repository(context, [request["repositoryName"]])}


def _no_repository(context: Context, names: list[str]) -> list[Members]:
    if names:
        raise AwsFault(
            "RepositoryNotFoundException",
            f"The repository with name '{names[0]}' does not exist in the registry with id '{context.account.id}'. "
            "Tintype keeps no images: a job's image URI chooses a local environment.",
        )
    return []
