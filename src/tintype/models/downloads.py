"""Published weights, fetched into the caches where other programs look for them too.

The only file of this part that opens a connection; nothing calls it when Tintype is offline.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import huggingface_hub

from tintype.errors import NotFound, lines_of
from tintype.storage import atomic_file

TIMEOUT_SECONDS = 10.0          # of one answer, not of the whole file


def from_hugging_face(repository: str, filename: str, cache: Path) -> Path:
    """`filename` of a model repository, by way of the hub's cache. Raises `NotFound` when it cannot be had."""
    url = huggingface_hub.hf_hub_url(repository, filename)
    try:
        httpx.head(url, timeout=TIMEOUT_SECONDS)        # the hub's client tries for 24 s where there is no network
        return Path(huggingface_hub.hf_hub_download(repository, filename, cache_dir=cache))
    except (httpx.HTTPError, OSError) as error:         # the client's own errors are OSErrors
        raise NotFound(f"{url} cannot be fetched: {lines_of(error)[0]}") from error


def from_url(url: str, path: Path, sha256_prefix: str) -> Path:
    """Fetch `url` to `path` in one step. Raises `NotFound` when it cannot be had, or is not the file it should be."""
    digest = hashlib.sha256()
    request = httpx.stream("GET", url, timeout=TIMEOUT_SECONDS, follow_redirects=True)
    try:
        with request as answer, atomic_file(path) as file:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                digest.update(chunk)
                file.write(chunk)
            if not digest.hexdigest().startswith(sha256_prefix):
                raise NotFound(f"{url} is damaged: its SHA-256 does not begin with {sha256_prefix}; try again")
    except httpx.HTTPError as error:
        raise NotFound(f"{url} cannot be fetched: {lines_of(error)[0]}") from error
    return path
