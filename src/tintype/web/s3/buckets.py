"""The buckets of a home: which there are, where their objects are, and links into them and out of them.

A folder in `<home>/s3` with the name of a bucket is a bucket. What begins with a dot there is ours:

    .buckets/<name>.json    when a bucket was made, and in which region
    .spool/                 bytes on their way in
    .moving/                objects that make way for a folder of their name
    .uploads/               multipart uploads that are not complete
    .attributes/            what extended attributes cannot hold (see attributes.py)
    .views/                 folders of links, for prefixes that are no folder
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from tintype.errors import Conflict, NotFound
from tintype.storage import read_json, scratch_directory, storage_errors, write_json
from tintype.web.faults import AwsFault
from tintype.web.s3.key_paths import RESERVED, STAND_INS, check_key, find, relative_path
from tintype.web.s3.location import S3Location

NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@final
@dataclass(frozen=True)
class Bucket:
    """One bucket."""

    name: str
    directory: Path
    created: datetime           # aware, UTC
    region: str | None          # None: nobody said; the home's


@final
@dataclass(frozen=True)
class Buckets:
    """The buckets below `root`. Threads share it; another process may look at the same folder."""

    root: Path
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    """Held while names of objects change, so that two such changes do not meet halfway."""

    @property
    def spool(self) -> Path:
        """For files that are not objects yet, on the file system where they will be."""
        return self.root / ".spool"

    @property
    def uploads(self) -> Path:
        """Multipart uploads, by bucket."""
        return self.root / ".uploads"

    @property
    def aside(self) -> Path:
        """For what extended attributes cannot hold."""
        return self.root / ".attributes"

    @property
    def moving(self) -> Path:
        """For objects that make way for a folder of their name."""
        return self.root / ".moving"

    # buckets

    def prepare(self) -> None:
        """Make the folders, and remove what an upload that was cut off has left. For the one server of a home."""
        with storage_errors(self.root):
            shutil.rmtree(self.spool, ignore_errors=True)
            for directory in (self.spool, self.uploads, self.root / ".buckets"):
                directory.mkdir(parents=True, exist_ok=True)

    def list(self) -> list[Bucket]:
        """All buckets by name."""
        with suppress(FileNotFoundError):
            entries = [entry for entry in os.scandir(self.root) if NAME.fullmatch(entry.name) and entry.is_dir()]
            return [self._describe(name) for name in sorted(entry.name for entry in entries)]
        return []

    def get(self, name: str) -> Bucket:
        """One bucket. Raises `AwsFault` NoSuchBucket."""
        if not NAME.fullmatch(name) or not (self.root / name).is_dir():
            raise no_such_bucket(name)
        return self._describe(name)

    def directory(self, name: str) -> Path:
        """Where the objects of a bucket are. Raises `AwsFault` NoSuchBucket."""
        if not NAME.fullmatch(name) or not (self.root / name).is_dir():
            raise no_such_bucket(name)
        return self.root / name

    def create(self, name: str, region: str | None = None) -> bool:
        """Make a bucket; False when there is one of that name already. Raises `AwsFault` InvalidBucketName."""
        if not NAME.fullmatch(name) or ".." in name:
            raise AwsFault("InvalidBucketName", "The specified bucket is not valid.", 400, {"BucketName": name})
        with self.lock, storage_errors(self.root / name):
            self.root.mkdir(parents=True, exist_ok=True)
            try:
                (self.root / name).mkdir()
            except FileExistsError:
                return False
            created = datetime.now(UTC).isoformat()
            write_json(self._description(name), {"created": created, "region": region}, durable=False)
            return True

    def delete(self, name: str) -> None:
        """Remove a bucket that has no object in it. Raises `AwsFault` NoSuchBucket, BucketNotEmpty."""
        directory = self.directory(name)
        with self.lock:
            if directory.is_symlink() or any(_files(directory)):
                message = "The bucket you tried to delete is not empty"
                raise AwsFault("BucketNotEmpty", message, 409, {"BucketName": name})
            shutil.rmtree(directory)            # folders without a file are no objects
            shutil.rmtree(self.uploads / name, ignore_errors=True)
            self._description(name).unlink(missing_ok=True)

    # ways in and out

    def attach(self, bucket: str, key_prefix: str, directory: Path) -> None:
        """Show the files of `directory`, now and as they come, as objects below `key_prefix`; read only through S3.

        The bucket is made when there is none. Does nothing when it is attached already. Raises `Conflict` when
        objects are there, `AwsFault` for a prefix that cannot be one.
        """
        self.create(bucket)
        link = self.directory(bucket) / relative_path(key_prefix.strip("/"))
        target = directory.absolute()
        with self.lock, storage_errors(link):
            if link.is_symlink() and Path(os.readlink(link)) == target:
                return
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                link.symlink_to(target, target_is_directory=True)
            except FileExistsError as error:
                raise Conflict(f"there is something at s3://{bucket}/{key_prefix} already; remove it") from error

    def local_path(self, uri: str) -> Path:
        """The file or folder that holds what is at an S3 URI, as a job's channel of type S3Prefix wants it.

        The object of exactly that key; else the folder; else, when the URI ends within a name, a folder of links to
        all that begins so. Raises `NotFound` when there is nothing, `InvalidRequest` when it is no S3 URI, `AwsFault`
        NoSuchBucket.
        """
        location = S3Location.parse(uri)
        bucket = self.directory(location.bucket)
        prefix = location.key.rstrip("/")
        if not prefix:
            return bucket if any(_files(bucket)) else _nothing(uri)
        check_key(prefix)
        if not location.key.endswith("/") and (exact := find(bucket, prefix)):
            return exact
        path = bucket / relative_path(prefix)
        if path.is_dir():
            return self._plain(path, path.iterdir(), uri)
        if location.key.endswith("/") or not path.parent.is_dir():
            return _nothing(uri)
        return self._view([one for one in path.parent.iterdir() if one.name.startswith(path.name)], uri)

    def _plain(self, folder: Path, entries: Iterator[Path], uri: str) -> Path:
        """The folder itself, unless stand-ins for odd keys at its top would be seen in it."""
        found = list(entries)
        if any(one.name.startswith(RESERVED) for one in found):
            return self._view(found, uri)
        return folder if any(_files(folder)) else _nothing(uri)

    def _view(self, entries: Iterable[Path], uri: str) -> Path:
        shown = sorted(_seen(entries).values())
        if not any(one.is_file() or any(_files(one)) for one in shown):
            return _nothing(uri)
        digest = hashlib.sha256("\0".join(map(str, shown)).encode(errors="surrogateescape")).hexdigest()
        view = self.root / ".views" / digest[:32]
        if not view.is_dir():                       # its name says what is in it, so that it never changes
            with scratch_directory(view.parent, ".view-") as scratch:
                for one in shown:
                    (scratch / one.name).symlink_to(one.absolute())
                with suppress(OSError):             # another made it just now
                    os.rename(scratch, view)
        return view

    def _description(self, name: str) -> Path:
        return self.root / ".buckets" / f"{name}.json"

    def _describe(self, name: str) -> Bucket:
        directory = self.root / name
        try:
            found = read_json(self._description(name))
            return Bucket(name, directory, datetime.fromisoformat(found["created"]), found["region"])
        except NotFound:                            # a folder that was put there by hand
            return Bucket(name, directory, datetime.fromtimestamp(int(directory.stat().st_mtime), UTC), None)


def _seen(entries: Iterable[Path]) -> dict[str, Path]:
    """By their names, without stand-ins for odd keys. What comes after a further slash (the SDK puts one there when it
    uploads below a prefix that ends with one) is seen as if that were not there, as on AWS.
    """
    found: dict[str, Path] = {}
    for one in entries:
        if one.name == STAND_INS[""] and one.is_dir():
            found = {**_seen(one.iterdir()), **found}
        elif not one.name.startswith(RESERVED):
            found[one.name] = one
    return found


def _files(directory: Path) -> Iterator[str]:
    for _, _, names in os.walk(directory, followlinks=True):
        yield from names


def _nothing(uri: str) -> Path:
    raise NotFound(f"there is no object at {uri}, and none whose key begins so")


def no_such_bucket(name: str) -> AwsFault:
    """S3's own words, and what to do; a notebook's bucket is its author's until somebody makes one of that name."""
    hint = f"; `aws s3 mb s3://{name}` makes it" if NAME.fullmatch(name) else ""
    return AwsFault("NoSuchBucket", f"The specified bucket does not exist{hint}", 404, {"BucketName": name})
