"""Image files that are elsewhere: below any fsspec URL, such as s3://bucket/prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import fsspec

from tintype.datasets.walk import has_image_name
from tintype.errors import NotFound
from tintype.serving.batch.file_predictions import Readable, image_files
from tintype.storage import is_url, local_path


def files_of(locations: Sequence[str | Path]) -> list[Readable]:
    """The image files that paths, folders and URLs mean, each group sorted. Raises as `image_files` does."""
    found: list[Readable] = []
    for one in locations:
        text = str(one)
        path = local_path(text)
        if isinstance(one, str) and is_url(text) and path is None:
            found += remote_files(text)
        else:
            found += image_files([path or Path(text)])
    return found


@final
@dataclass(frozen=True)
class RemoteFile:
    """One file of a file system that is not ours."""

    filesystem: Any
    path: str               # as the file system names it

    def __fspath__(self) -> str:
        """Its URL; what it is called in tables."""
        return self.filesystem.unstrip_protocol(self.path)

    def read_bytes(self) -> bytes:
        """All of it. Raises `OSError`."""
        return self.filesystem.cat_file(self.path)


def remote_files(url: str) -> list[RemoteFile]:
    """The file at `url`, or all files below it with an image's name, sorted.

    A prefix that ends within a name ("s3://bucket/photos/2024-") matches as S3's do. `NotFound` when there are none.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise NotFound(f"{url} cannot be read: {error}") from error
    if filesystem.isfile(path):
        return [RemoteFile(filesystem, path)]
    folder = path if url.endswith("/") or filesystem.isdir(path) else path.rsplit("/", 1)[0]
    below = (one for one in filesystem.find(folder) if one.lstrip("/").startswith(path.lstrip("/")))
    found = [RemoteFile(filesystem, one) for one in sorted(below) if has_image_name(one.rsplit("/", 1)[-1])]
    if not found:
        raise NotFound(f"there are no image files below {url}")
    return found
