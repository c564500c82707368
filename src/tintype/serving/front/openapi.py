"""What a server answers to, as OpenAPI 3.1: read by people in a browser's tools and by generators of clients."""

from __future__ import annotations

from typing import Any

from tintype import __version__
from tintype.serving.content.accept import MEDIA_TYPES
from tintype.serving.content.content_types import READERS
from tintype.serving.settings import ServerSettings

Json = dict[str, Any]

STATUSES = {
    400: "The body is not what its type says",
    401: "The token is missing or wrong",
    406: "None of the formats in Accept is written",
    408: "The body came too slowly",
    413: "Over a limit",
    415: "The type of the body is not read",
    429: "The queue is full; Retry-After says when to come again",
    500: "The model failed on the request",
    504: "Not answered in time",
}
RANKED: Json = {
    "type": "object",
    "required": ["label", "index", "probability"],
    "properties": {
        "label": {"type": "string"},
        "index": {"type": "integer"},
        "probability": {"type": "number", "minimum": 0, "maximum": 1},
    },
}
PREDICTIONS: Json = {
    "type": "object",
    "properties": {
        "predictions": {
            "type": "array",
            "items": {"allOf": [RANKED, {"properties": {"top": {"type": "array", "items": RANKED}}}]},
        }
    },
}
ERROR: Json = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"status": {"type": "integer"}, "type": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}


def description(settings: ServerSettings, *, needs_token: bool) -> Json:
    """The document."""
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Tintype endpoint",
            "version": __version__,
            "description": f"Bodies of at most {settings.body_limit_bytes:,} bytes, "
            f"at most {settings.images_per_request} pictures in one.",
        },
        "paths": {
            "/invocations": {"post": _invocations()},
            "/ping": {"get": _plain("200 while something lives that could answer, else 503")},
            "/metrics": {"get": _plain("Counters, for Prometheus")},
        },
    }
    if needs_token:
        document["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        document["paths"]["/invocations"]["post"]["security"] = [{"token": []}]
        document["paths"]["/metrics"]["get"]["security"] = [{"token": []}]
    return document


def _invocations() -> Json:
    errors = {
        str(status): {"description": text, "content": {"application/json": {"schema": ERROR}}}
        for status, text in STATUSES.items()
    }
    answers = {kind: {"schema": PREDICTIONS} if kind == "application/json" else {} for kind in MEDIA_TYPES}
    return {
        "summary": "Classify one or several pictures",
        "requestBody": {"required": True, "content": {kind: {} for kind in READERS}},
        "responses": {"200": {"description": "What the model says", "content": answers}, **errors},
    }


def _plain(text: str) -> Json:
    return {"summary": text, "responses": {"200": {"description": text}}}
