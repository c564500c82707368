"""From whatever names a data set to a folder or a manifest on this machine.

Archives are unpacked and URLs fetched below the work directory, once per content: the same name with another size or
time is another content. Both appear there in one rename, so that a process killed half way leaves nothing in use.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote

import fsspec

from tintype.datasets.manifest import MANIFEST_SUFFIXES
from tintype.errors import BadData, InvalidRequest, NotFound, StorageFailed
from tintype.extraction import ARCHIVE_SUFFIXES, extract, is_archive
from tintype.storage import exclusive_lock, fetch, local_path, scratch_directory, storage_errors

ACCEPTED = "a folder, a zip or tar archive, a CSV or JSONL manifest, or the URL of one of these"


@dataclass(frozen=True)
class Source:
    """A data set on this machine."""

    path: Path                 # a folder or a manifest
    origin: str                # the absolute path or URL that was asked for; stays the same when the content changes
    is_copy: bool              # unpacked or fetched: strangers chose the names in it
    notes: tuple[str, ...] = ()


def bring_here(location: str | Path, workdir: Path) -> Source:
    """The data set at `location`, unpacked and fetched below `workdir` where necessary.

    Raises `NotFound`, `BadData` for a file of another kind, `BadArchive` for one that must not be unpacked,
    `InvalidRequest` for a URL that cannot be read here, and `StorageFailed`.
    """
    path = path_of(location)
    if path is None:
        return _fetched(str(location), workdir)
    return _unpacked(Source(path, str(path), is_copy=False), workdir)


def path_of(location: str | Path) -> Path | None:
    """Where on this machine a data set is; None for a URL.

    `NotFound`, with near names, when there is nothing; `BadData` for a file of another kind.
    """
    name = str(location)
    if not name:
        raise InvalidRequest(f"no data set is named; give {ACCEPTED}")
    path = local_path(name)
    if path is None:
        return None
    if name.startswith("file://") and not path.exists():
        path = Path(unquote(str(path)))                 # as `Path.as_uri` writes a space
    path = path.absolute()
    if not path.exists():
        raise _nothing_at(path)
    _refuse_other_files(path)
    return path


def _refuse_other_files(path: Path) -> None:
    if not path.is_file() and not path.is_dir():
        raise BadData(f"{path} is neither a file nor a folder; give {ACCEPTED}")
    if path.is_file() and path.suffix.lower() not in MANIFEST_SUFFIXES and not is_archive(path):
        suffixes = ", ".join((*ARCHIVE_SUFFIXES, *MANIFEST_SUFFIXES))
        raise BadData(f"{path} is a file that is not read as a data set; give {ACCEPTED} ({suffixes})")


def _unpacked(source: Source, workdir: Path) -> Source:
    path = source.path
    if path.is_dir() or path.suffix.lower() in MANIFEST_SUFFIXES:
        return source
    _refuse_other_files(path)               # what was fetched has not been looked at
    status = path.stat()
    key = _key(str(path), status.st_size, status.st_mtime_ns)
    destination = workdir / "unpacked" / f"{path.name.split('.')[0]}-{key}"
    with exclusive_lock(destination.with_name(f".{destination.name}.lock")):
        if not destination.exists():
            extract(path, destination)
    return Source(destination, source.origin, is_copy=True, notes=(*source.notes, f"unpacked from {path.name}"))


def _fetched(url: str, workdir: Path) -> Source:
    with _url_errors(url):
        filesystem, path = fsspec.core.url_to_fs(url)
        # A manifest is of no use without the images beside it.
        folder = path.rpartition("/")[0] if path.lower().endswith(MANIFEST_SUFFIXES) else path
        listing = _listing(filesystem, folder)
        key = _key(url, *(_version(name, listing[name]) for name in sorted(listing)))
        directory = workdir / "fetched" / key
        with exclusive_lock(directory.with_name(f".{key}.lock")):
            if not directory.exists():
                _fetch_whole(filesystem.unstrip_protocol(folder), directory)
    top = folder.rstrip("/").rpartition("/")[0]
    here = directory / path.removeprefix(top).strip("/")
    return _unpacked(Source(here, url, is_copy=True, notes=(f"fetched from {url}",)), workdir)


def _listing(filesystem: fsspec.AbstractFileSystem, path: str) -> dict[str, dict[str, object]]:
    """What the file system says of each file at or below `path`."""
    entry = filesystem.info(path)
    files: dict[str, dict[str, object]] = {path: entry}
    if entry["type"] == "directory":
        files = dict(filesystem.find(path, detail=True))
    outside = [name for name in files if ".." in name.split("/")]
    if outside:
        raise BadData(f"{path} holds a file named {outside[0]!r}, which points outside it; refused")
    return files


def _fetch_whole(url: str, directory: Path) -> None:
    with scratch_directory(directory.parent, f".{directory.name}.") as scratch:
        fetch(url, scratch)
        with storage_errors(directory):
            os.rename(scratch, directory)


@contextmanager
def _url_errors(url: str) -> Iterator[None]:
    scheme = url.partition("://")[0]
    try:
        yield
    except ImportError as error:
        raise InvalidRequest(f"{scheme}:// cannot be read here: {error}") from error
    except ValueError as error:
        raise InvalidRequest(f"{url} cannot be read: {error}") from error
    except FileNotFoundError as error:
        raise NotFound(f"there is nothing at {url}") from error
    except OSError as error:
        raise StorageFailed(f"{url} could not be fetched: {error}; check the address and the network") from error


def _version(name: str, entry: dict[str, object]) -> tuple[object, ...]:
    """What tells one version of a remote file from the next, as far as its file system says."""
    changing = ("size", "mtime", "LastModified", "last_modified", "updated", "ETag", "etag", "md5Hash", "created")
    return (name, *(str(entry.get(field)) for field in changing))


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _nothing_at(path: Path) -> NotFound:
    if path.is_symlink():
        return NotFound(f"{path} is a link to {os.readlink(path)}, and nothing is there; mend it, or give {ACCEPTED}")
    neighbours = sorted(os.listdir(path.parent)) if path.parent.is_dir() else []
    near = get_close_matches(path.name, neighbours, n=3)
    hint = f"did you mean {', '.join(str(path.parent / name) for name in near)}?" if near else f"give {ACCEPTED}"
    return NotFound(f"there is nothing at {path}; {hint}")
