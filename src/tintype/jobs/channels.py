"""Input channels: each a real folder `input/data/<channel>`, which a script may write to.

A local folder is not copied: its folders are made anew and its files are links, so that every way of walking a tree
finds them (most do not enter linked folders) and what a script adds stays in the job. Beyond `MOST_LINKS` files the
folders below the first level are linked whole, as making the links would take longer than they are worth.
Anything else is fetched by fsspec, a batch of files at a time, whatever their number and size; by the trials of a
tuning job once for all of them, see shared_inputs.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from tintype.errors import BadData, InvalidRequest, NotFound, StorageFailed, TintypeError, Unsupported
from tintype.jobs.shared_inputs import copy_once_fetched, key_of
from tintype.jobs.specification import Channel
from tintype.storage import clone_tree, local_path, scratch_directory, storage_errors

MODES = ("File", "FastFile")
MOST_LINKS = 50_000
BATCH_FILES = 256           # fetched together: enough to hide the latency of an object store
HIDDEN = ".tintype-"        # of a channel that is being placed

Report = Callable[[str], None]


def check_channel(channel: Channel) -> None:
    """What can be known before the job is accepted. Raises `InvalidRequest`, `NotFound`, `BadData`, `Unsupported`."""
    if not channel.name or channel.name.startswith(".") or not _is_plain(channel.name):
        raise InvalidRequest(f"a channel's name is letters, digits, '.', '_' and '-'; got {channel.name!r}")
    if channel.mode not in MODES:
        raise Unsupported(f"channel {channel.name!r}: the input mode {channel.mode!r} is not one of {', '.join(MODES)}")
    source = local_path(channel.location)
    if source is not None:
        _check_local(channel, source)


def place_channel(channel: Channel, channels: Path, report: Report, shared: Path | None = None) -> Path:
    """Make the folder of `channel` below `channels`, whole or not at all, and return it.

    What an earlier attempt placed is left as it is. `report` is told how a download goes; with `shared`, a folder for
    the jobs that have the same channels, only the first of them downloads. Raises `NotFound` when there is nothing at
    the location, `BadData` when it holds no file, `StorageFailed`.
    """
    check_channel(channel)
    placed = channels / channel.name
    if placed.exists():
        return placed
    source = local_path(channel.location)
    with storage_errors(placed):
        channels.mkdir(parents=True, exist_ok=True)
        target = Path(tempfile.mkdtemp(dir=channels, prefix=f"{HIDDEN}{channel.name}."))
        try:
            if source is None:
                _fetch(channel, target, report, shared)
                _refuse_empty(channel, target)
            elif source.is_dir():
                _link_tree(source.absolute(), target, channels.resolve())
            else:
                (target / source.name).symlink_to(source.absolute())
            target.chmod(0o755)             # a temporary folder is for its owner alone
            os.rename(target, placed)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
    return placed


def remove_unfinished(channels: Path) -> None:
    """Clear away what an attempt that was killed while it placed a channel has left."""
    for leftover in channels.glob(f"{HIDDEN}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def fetch_copies(location: str, folder: Path, report: Report) -> None:
    """Make `folder`, with copies of all files at a path or URL in it, whole or not at all.

    Raises `NotFound` when there are none, `BadData`, `InvalidRequest` and `StorageFailed` when they cannot be read.
    """
    source = local_path(location)
    with scratch_directory(folder.parent, HIDDEN) as scratch, storage_errors(folder):
        copies = scratch / folder.name
        copies.mkdir()
        if source is None:
            _fetch(Channel(folder.name, location), copies, report, None)
        elif source.is_dir():
            clone_tree(source, copies)
        if not any(path.is_file() for path in copies.rglob("*")):
            raise NotFound(f"there is no file at {location}")
        os.rename(copies, folder)


def is_elsewhere(channel: Channel) -> bool:
    """It has to be fetched; a local one is linked."""
    return local_path(channel.location) is None


def _is_plain(name: str) -> bool:
    return all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in name)


def _check_local(channel: Channel, source: Path) -> None:
    if not source.exists():
        raise NotFound(f"channel {channel.name!r}: there is nothing at {channel.location}; name a folder or a file")
    try:
        empty = source.is_dir() and not any(files for _, _, files in os.walk(source, onerror=_raise, followlinks=True))
    except OSError as error:        # not ours to read, or links that go round in circles
        raise BadData(f"channel {channel.name!r}: {error.filename} cannot be read: {error.strerror}") from error
    if empty:
        raise BadData(f"channel {channel.name!r}: there is no file in {channel.location}; nothing can be trained on it")


def _raise(error: OSError) -> None:
    raise error


def _link_tree(source: Path, target: Path, own: Path) -> None:
    """Folders of links; breadth first, so that what is linked whole is what lies deepest.

    A folder that `own`, the job's channels, is in is passed over: the home may be below the data.
    """
    waiting, made = [(source, target)], 0
    while waiting:
        folder, copy = waiting.pop(0)
        with os.scandir(folder) as entries:
            for entry in entries:
                made += 1
                if entry.is_dir() and own.is_relative_to(os.path.realpath(entry.path)):
                    continue
                if entry.is_dir(follow_symlinks=False) and made <= MOST_LINKS:
                    (copy / entry.name).mkdir()
                    waiting.append((Path(entry.path), copy / entry.name))
                else:
                    os.symlink(entry.path, copy / entry.name)


def _fetch(channel: Channel, target: Path, report: Report, shared: Path | None) -> None:
    with _remote_errors(channel):
        filesystem, root = fsspec.core.url_to_fs(channel.location)
        found: dict[str, Any] = filesystem.find(root, detail=True)
        found = {path: info for path, info in found.items() if not path.endswith("/")}
        files = {path: int(info.get("size") or 0) for path, info in found.items()}
        if not files:
            raise FileNotFoundError(channel.location)
        total, fetched = sum(files.values()), 0

        def download(folder: Path) -> None:
            nonlocal fetched
            for batch in _batches(list(files)):
                targets = [_inside(folder, root, path) for path in batch]
                for one in targets:
                    one.parent.mkdir(parents=True, exist_ok=True)
                filesystem.get(batch, list(map(str, targets)))
                fetched += sum(files[path] for path in batch)
                report(f"channel {channel.name}: {fetched / 1e6:,.1f} of {total / 1e6:,.1f} MB fetched")

        if shared is None:
            download(target)
        elif copy_once_fetched(key_of(channel.location, found), shared, target, download):
            report(f"channel {channel.name}: {total / 1e6:,.1f} MB as another trial has fetched them")


def _refuse_empty(channel: Channel, folder: Path) -> None:
    if not any(path.stat().st_size for path in folder.rglob("*") if path.is_file()):
        raise BadData(f"channel {channel.name!r}: all files at {channel.location} are empty")


@contextlib.contextmanager
def _remote_errors(channel: Channel) -> Iterator[None]:
    where = f"channel {channel.name!r}: {channel.location}"
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"channel {channel.name!r}: there is nothing at {channel.location}") from error
    except PermissionError as error:
        raise BadData(f"{where} may not be read: {error}") from error
    except (ImportError, ValueError) as error:
        raise InvalidRequest(f"{where} cannot be read: {error}") from error
    except (OSError, TintypeError):         # the disk is full, which the caller knows how to say
        raise
    except Exception as error:      # each file system has errors of its own: botocore's, aiohttp's, gcsfs's
        raise StorageFailed(f"{where} broke off: {error!r}; run this again") from error


def _batches(paths: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(paths), BATCH_FILES):
        yield paths[start : start + BATCH_FILES]


def _inside(target: Path, root: str, path: str) -> Path:
    relative = PurePosixPath(path.removeprefix(root).lstrip("/") or path.rsplit("/", 1)[-1])
    if ".." in relative.parts:
        raise InvalidRequest(f"the key {path!r} leaves its folder; it is not fetched")
    return target.joinpath(*relative.parts)
