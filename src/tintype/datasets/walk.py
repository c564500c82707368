"""Every file below some folders, each real folder once, whatever links there are.

Hidden names and what operating systems leave behind are passed over. Every other regular file counts, whatever its
name ends in: a photograph may have no suffix, and a text file among the photographs is a fault that `checks` should
show rather than something to drop in silence.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple, final

from tintype.datasets.dataset import MISSING_SIZE
from tintype.errors import BadData
from tintype.settings import RECORDS_FILE

JUNK = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin"})
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff")


@dataclass(frozen=True)
class Branch:
    """A folder to read, and what the files in it and below it are."""

    folder: str                # relative to the root of the data set, with forward slashes
    label: str | None
    split: int                 # a position in SPLITS


class FoundFile(NamedTuple):
    """One file as it was met. A link that leads nowhere, and a file gone by now, has `size` MISSING_SIZE."""

    branch: Branch
    path: str
    size: int
    mtime: int


class _Kind(Enum):
    FILE = auto()
    FOLDER = auto()
    BROKEN_LINK = auto()
    OTHER = auto()             # a pipe, a socket, a device: opening one may wait for ever


def is_junk(name: str) -> bool:
    """True for hidden names and for what Windows, macOS and NAS boxes leave in folders."""
    return name.startswith(".") or name.lower() in JUNK


def has_image_name(name: str) -> bool:
    """True when a name ends as those of images do."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def is_text(name: str) -> bool:
    """False for a name that is not UTF-8, which no report, record or terminal could show."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def list_folder(folder: str | Path) -> tuple[list[str], list[str]]:
    """The names of the (folders, files) directly in `folder`, sorted, without junk. `BadData` when it is closed."""
    folders: list[str] = []
    files: list[str] = []
    for entry, kind in _entries(str(folder)):
        if kind is _Kind.FOLDER:
            folders.append(entry.name)
        elif kind is _Kind.FILE:
            files.append(entry.name)
    return sorted(folders), sorted(files)


def holds_images(folder: str | Path) -> bool:
    """True when a file with an image's name is in `folder` or below it."""
    found = Walk(Path(folder)).files([Branch("", None, 0)])
    return any(has_image_name(file.path.rsplit("/", 1)[-1]) for file in found)


@final
class Walk:
    """One reading of a data set's folders. Real folders are read before links, so that a link never takes the
    files from the folder it points to; `skipped` names the links that lead to a folder that is read anyway.
    """

    def __init__(self, root: Path) -> None:
        """`root` is what all paths are relative to."""
        self.root = root
        self.skipped: list[str] = []
        self._seen: set[tuple[int, int]] = set()

    def files(self, branches: Iterable[Branch]) -> Iterator[FoundFile]:
        """All files in and below the branches, in no particular order. `BadData` when a folder is closed to us."""
        real: deque[tuple[Branch, str]] = deque()
        links: deque[tuple[Branch, str]] = deque()
        for branch in branches:
            (links if os.path.islink(self._absolute(branch.folder)) else real).append((branch, branch.folder))
        while real or links:
            branch, folder = real.popleft() if real else links.popleft()
            if not self._first_visit(folder):
                continue
            for entry, kind in _entries(self._absolute(folder)):
                path = f"{folder}/{entry.name}" if folder else entry.name
                if kind is _Kind.FOLDER:
                    (links if entry.is_symlink() else real).append((branch, path))
                elif kind is not _Kind.OTHER:
                    yield FoundFile(branch, path, *_size_and_time(entry))

    def _first_visit(self, folder: str) -> bool:
        with _open_to_us(folder):
            status = os.stat(self._absolute(folder))
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            self.skipped.append(folder)
            return False
        self._seen.add(identity)
        return True

    def _absolute(self, folder: str) -> str:
        return os.path.join(self.root, folder) if folder else str(self.root)


@contextlib.contextmanager
def _open_to_us(folder: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise BadData(f"no permission to read {error.filename or folder}; try: chmod -R u+rX {folder!r}") from error
    except OSError as error:
        raise BadData(f"the folder {folder} cannot be read: {error.strerror or error}") from error


def _entries(folder: str) -> Iterator[tuple[os.DirEntry[str], _Kind]]:
    with _open_to_us(folder), os.scandir(folder) as entries:
        for entry in entries:
            if is_junk(entry.name):
                continue
            kind = _kind(entry)
            if kind is not _Kind.FOLDER or not _is_home(entry.path):
                yield entry, kind


def _is_home(folder: str) -> bool:
    """Whether Tintype keeps everything there: no class, wherever somebody has put it."""
    return os.path.exists(os.path.join(folder, RECORDS_FILE))


def _kind(entry: os.DirEntry[str]) -> _Kind:
    try:
        if entry.is_dir():
            return _Kind.FOLDER
        if entry.is_file():
            return _Kind.FILE
        return _Kind.BROKEN_LINK if entry.is_symlink() else _Kind.OTHER
    except OSError:            # a link to itself: "too many levels of symbolic links"
        return _Kind.BROKEN_LINK


def _size_and_time(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        status = entry.stat()
    except OSError:
        return MISSING_SIZE, 0
    return status.st_size, status.st_mtime_ns
