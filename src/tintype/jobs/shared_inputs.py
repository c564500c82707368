"""What the trials of one tuning job fetch alike, fetched once: `<home>/shared-inputs/<tuning job>/<key>/`.

The key stands for the files' names, sizes and versions: data that has changed meanwhile is other data. The first trial
fetches, the others wait for it, and each gets a copy of its own to do with as it likes (on btrfs and XFS the copies
share their blocks). It all goes when the tuning job ends; what a killed one leaves goes when the engine has nothing to
do.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tintype.storage import clone_tree, exclusive_lock, scratch_directory, storage_errors

FOLDER = "shared-inputs"        # below the home
# What file systems of fsspec call a file's version. Others of their facts (when it was read) say nothing.
VERSIONS = (
    "ETag", "etag", "md5Hash", "content_md5", "generation", "checksum", "sha", "LastModified", "last_modified",
    "updated", "mtime", "modified", "created",
)  # fmt: skip


def folder_of(home: Path, parent: str) -> Path:
    """Where the trials of the tuning job `parent` share what they fetch."""
    return home / FOLDER / parent


def forget(home: Path, parent: str = "") -> None:
    """Remove what the trials of a tuning job, or of all, have shared. What goes wrong here harms nobody."""
    shutil.rmtree(folder_of(home, parent), ignore_errors=True)


def key_of(location: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """What tells this content of `location` from all others; `found` are its files as fsspec describes them."""
    files = [
        [path, info.get("size"), [[name, str(info[name])] for name in VERSIONS if info.get(name) is not None]]
        for path, info in sorted(found.items())
    ]
    return hashlib.sha256(json.dumps([location, files]).encode()).hexdigest()[:32]


def copy_once_fetched(key: str, shared: Path, target: Path, fetch: Callable[[Path], object]) -> bool:
    """Fill the empty folder `target` with what `fetch` puts into the folder that it is given, or once did under `key`.

    True when it was there already. Raises what `fetch` raises, and `StorageFailed`.
    """
    kept = shared / key
    with exclusive_lock(shared / f"{key}.lock"):
        was_there = kept.is_dir()
        if not was_there:
            for half in shared.glob(f".{key}.*"):           # of a trial that was killed while it fetched
                shutil.rmtree(half, ignore_errors=True)
            with scratch_directory(shared, f".{key}.") as scratch:
                fetch(scratch)
                os.rename(scratch, kept)
    with storage_errors(target):
        clone_tree(kept, target)
    return was_there
