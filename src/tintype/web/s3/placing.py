"""Where objects come to be and cease to be: renames within a bucket, one at a time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tintype.storage import storage_errors
from tintype.web.faults import AwsFault
from tintype.web.s3 import attributes
from tintype.web.s3.attributes import Attributes
from tintype.web.s3.buckets import Buckets
from tintype.web.s3.conditions import Conditions, check_writing
from tintype.web.s3.key_paths import OBJECT, find, relative_path

ATTEMPTS = 5
ATTACHED = "These objects are the files of a job as they are; nothing can be written among them. Choose another key."


def place(
    buckets: Buckets, bucket: str, key: str, file: Path, described: Attributes, conditions: Conditions | None = None
) -> None:
    """Make `file`, which must be below the buckets' root, the object of that key; who reads the old one reads on.

    Raises `AwsFault` NoSuchBucket, PreconditionFailed, AccessDenied among a job's files; `StorageFailed`.
    """
    directory = buckets.directory(bucket)
    with storage_errors(file):
        attributes.write(file, described, buckets.aside)
        with buckets.lock:
            check_writing(conditions or {}, _etag(buckets, directory, key))
            os.replace(file, _make_way(directory, key, buckets.moving))


def remove(buckets: Buckets, bucket: str, key: str, conditions: Conditions | None = None) -> None:
    """Remove an object, if there is one, and the folders that have then nothing in them. Raises as `place` does."""
    directory = buckets.directory(bucket)
    with buckets.lock, storage_errors(directory):
        path = find(directory, key)
        check_writing(conditions or {}, _etag(buckets, directory, key))
        if path is None:
            return
        attributes.forget(path, buckets.aside)
        path.unlink(missing_ok=True)
        with suppress(OSError):                         # one of them has something in it: that is where it ends
            for folder in path.parents:
                if folder == directory or folder.is_symlink():
                    break
                folder.rmdir()


def look(buckets: Buckets, bucket: str, key: str) -> Path:
    """The file of an object. Raises `AwsFault` NoSuchBucket, NoSuchKey."""
    directory = buckets.directory(bucket)
    path = find(directory, key)
    if path is None:
        with buckets.lock:                              # it may have been on its way into a folder
            path = find(directory, key)
    if path is None:
        raise AwsFault("NoSuchKey", "The specified key does not exist.", 404, {"Key": key})
    return path


def open_object(buckets: Buckets, bucket: str, key: str) -> tuple[Path, int]:
    """The file of an object and a descriptor to read it by, which stays its own whatever happens to its name.

    Raises as `look` does, and `AwsFault` AccessDenied for a file that was put there by hand and is not ours to read.
    """
    for _ in range(ATTEMPTS):
        path = look(buckets, bucket, key)
        try:
            return path, os.open(path, os.O_RDONLY)
        except PermissionError as error:
            raise AwsFault("AccessDenied", f"The file of this object cannot be read: {error.strerror}", 403) from error
        except OSError:                                 # another has just removed it, or made a folder of it
            continue
    raise AwsFault("NoSuchKey", "The specified key does not exist.", 404, {"Key": key})


def _etag(buckets: Buckets, directory: Path, key: str) -> str | None:
    path = find(directory, key)
    try:
        return attributes.read(path, path.stat(), buckets.aside).etag if path else None
    except FileNotFoundError:                           # removed by hand just now
        return None


def _make_way(directory: Path, key: str, moving: Path) -> Path:
    """The path for an object, its folders made; a file where a folder must be becomes the object of that folder."""
    *folders, name = relative_path(key).split("/")
    place = directory
    for folder in folders:
        place = place / folder
        if place.is_symlink():
            raise AwsFault("AccessDenied", ATTACHED, 403)
        _into_folder(place, moving)
    place = place / name
    if place.is_symlink() and place.is_dir():
        raise AwsFault("AccessDenied", ATTACHED, 403)
    return place / OBJECT if place.is_dir() else place


def _into_folder(place: Path, moving: Path) -> None:
    """A kill between two steps loses nothing: where the file belongs is noted first, and `recover` brings it there."""
    try:
        place.mkdir()
    except FileExistsError:
        if place.is_dir():
            return
        moving.mkdir(exist_ok=True)
        note = moving / f"{place.stat().st_ino}.to"
        note.unlink(missing_ok=True)
        note.symlink_to(place)
        os.rename(place, note.with_suffix(".object"))
        _arrive(note)


def recover(buckets: Buckets) -> None:
    """Bring to their places the objects that a kill has left between two. For the one server of a home, at its
    start.
    """
    for note in buckets.moving.glob("*.to"):
        _arrive(note)


def _arrive(note: Path) -> None:
    place, file = Path(os.readlink(note)), note.with_suffix(".object")
    if file.exists():
        place.mkdir(exist_ok=True, parents=True)
        os.rename(file, place / OBJECT)
    note.unlink()
