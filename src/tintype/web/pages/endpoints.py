"""The pages of endpoints: the list, and one with its variants, how to ask it, and its log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from tintype.errors import not_found
from tintype.serving.endpoints.endpoint import Endpoint
from tintype.serving.endpoints.process import log_tail
from tintype.serving.endpoints.store import Endpoints
from tintype.web.pages import rendering
from tintype.web.pages.lists import page
from tintype.workspace import Workspace

AT = "/ui/endpoints"
CURL = "curl -X POST -H 'Content-Type: image/jpeg' --data-binary @photo.jpg {}/invocations"


def endpoint_rows(workspace: Workspace, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """Lines of endpoints, newest first."""
    return [_row(one) for one in Endpoints(workspace.records).list()[offset : offset + limit]]


def endpoint_list(workspace: Workspace, query: Mapping[str, str]) -> Response:
    """All endpoints."""
    found = page(AT, query, lambda limit, offset: endpoint_rows(workspace, limit, offset))
    return rendering.render("endpoints.html", at=AT, list=found, under_way=bool(found.rows))


def endpoint_page(workspace: Workspace, name: str) -> Response:
    """One endpoint."""
    endpoint = Endpoints(workspace.records).get(name)
    return rendering.render(
        "endpoint.html",
        at=AT,
        endpoint=endpoint,
        status=endpoint.status.value,
        reason=endpoint.failure_reason,
        url=endpoint.url,
        try_it=f"{endpoint.url}/",
        variants=[_variant(one) for one in endpoint.variants],
        curl=CURL.format(endpoint.url) if endpoint.url else "",
        log="\n".join(log_tail(endpoint.files.log)),
        under_way=True,
    )


def delete_endpoint(workspace: Workspace, name: str) -> Response:
    """Delete it, and show the list."""
    endpoints = Endpoints(workspace.records)
    if not endpoints.delete(name):
        raise not_found("endpoint", name, [one.name for one in endpoints.list()])
    return RedirectResponse(AT, status_code=303)


def _row(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "status": endpoint.status.value,
        "url": endpoint.url,
        "variants": [one.name for one in endpoint.variants],
    }


def _variant(one: Any) -> dict[str, Any]:
    return {"name": one.name, "weight": one.weight, "instances": one.instances, "model": one.archive}
