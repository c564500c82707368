"""The objects of a bucket in the order of their keys, without reading more folders than it takes.

Keys are in the order of their UTF-8, which is that of Python's strings. A folder `a` holds keys that begin with `a/`,
so it stands where `a/` does among the files beside it, and the object `a` that has become `.tintype-object` in it
stands where `a` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tintype.web.s3.key_paths import OBJECT, STAND_INS, part_of

LAST = chr(0x10FFFF)            # comes after whatever else may follow in a key


@final
@dataclass(frozen=True)
class Found:
    """An object, or with a delimiter all that have a prefix in common, which then has no path."""

    key: str
    path: str | None
    stat: os.stat_result | None


@final
@dataclass(frozen=True)
class Walk:
    """What is asked for: keys that begin with `prefix` and come after `after`; with a delimiter, grouped."""

    bucket: Path
    prefix: str = ""
    after: str = ""
    delimiter: str = ""

    def run(self) -> Iterator[Found]:
        """The objects and groups in order. Folders that a job or a person makes or removes meanwhile do no harm."""
        folder, base = self._start()
        if folder is None:
            return
        found = self._folder(folder, base, (_node(folder),))
        if self.delimiter and self.delimiter != "/":
            found = self._grouped(found)
        yield from found

    def _start(self) -> tuple[str | None, str]:
        """The deepest folder that has all of it in it, and what keys there begin with."""
        parts = self.prefix.split("/")[:-1]
        folder = os.path.join(self.bucket, *(STAND_INS.get(part, part) for part in parts))
        if any("\0" in part or (part_of(part) is None and part not in STAND_INS) for part in parts):
            return None, ""
        return (folder if os.path.isdir(folder) else None), "".join(f"{part}/" for part in parts)

    def _folder(self, folder: str, base: str, above: tuple[tuple[int, int], ...]) -> Iterator[Found]:
        for key, name, is_folder in self._entries(folder, base):
            path = os.path.join(folder, name)
            if not is_folder:
                with suppress(OSError):
                    yield Found(key, path, os.stat(path))
            elif self.delimiter == "/" and key.startswith(self.prefix) and len(key) > len(self.prefix):
                if any(self._below(path, key, above)):
                    yield Found(key, None, None)
            else:
                yield from self._below(path, key, above)

    def _below(self, path: str, key: str, above: tuple[tuple[int, int], ...]) -> Iterator[Found]:
        with suppress(OSError):
            node = _node(path)
            if node not in above:               # a link to a folder above would go on for ever
                within = Walk(self.bucket, self.prefix, self.after)
                walk = within if self.delimiter == "/" and key.startswith(self.prefix) and key != self.prefix else self
                yield from walk._folder(path, key, (*above, node))

    def _entries(self, folder: str, base: str) -> list[tuple[str, str, bool]]:
        """What of a folder is to be looked at, in order: (key or beginning of keys, name, whether it is a folder)."""
        found = []
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                part = part_of(entry.name)
                if part is None:
                    continue
                is_folder = entry.is_dir()
                if is_folder:
                    if self._wants_folder(f"{base}{part}/"):
                        found.append((f"{base}{part}/", entry.name, True))
                    own = os.path.join(entry.name, OBJECT)
                    if self._wants(base + part) and os.path.isfile(os.path.join(folder, own)):
                        found.append((base + part, own, False))
                elif self._wants(base + part):
                    found.append((base + part, entry.name, False))
        return sorted(found)

    def _wants(self, key: str) -> bool:
        return key.startswith(self.prefix) and key > self.after

    def _wants_folder(self, begin: str) -> bool:
        related = begin.startswith(self.prefix) or self.prefix.startswith(begin)
        return related and (begin > self.after or self.after.startswith(begin))

    def _grouped(self, found: Iterator[Found]) -> Iterator[Found]:
        last = None
        for one in found:
            end = one.key.find(self.delimiter, len(self.prefix))
            if end < 0:
                yield one
                continue
            group = one.key[: end + len(self.delimiter)]
            if group != last and group + LAST != self.after:
                yield Found(group, None, None)
            last = group


def _node(path: str) -> tuple[int, int]:
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino
