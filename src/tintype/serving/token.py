"""The token that callers of a server must send, from where it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tintype.errors import InvalidRequest, NotFound

TOKEN_VARIABLE = "TINTYPE_TOKEN"


def token_of(path: Path | None, environ: Mapping[str, str]) -> str | None:
    """The token in the file, else that in the environment, else None."""
    if path is None:
        return environ.get(TOKEN_VARIABLE) or None
    try:
        token = path.read_text().strip()
    except OSError as error:
        raise NotFound(f"the token file {path} cannot be read: {error.strerror}") from error
    if not token:
        raise InvalidRequest(f"the token file {path} is empty; put a token in it")
    return token
