"""The collections that the workers of a log wrote down, merged, and how many workers there should be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from tintype.debugger.collection import Collection, CollectionSet
from tintype.debugger.layout import COLLECTIONS, COLLECTIONS_NAME, collections_path
from tintype.debugger.log_files import LogFiles
from tintype.errors import InvalidRequest, NotFound

MOST_WORKERS = 1 << 16


@dataclass
class LogCollections:
    """What the collection files said when they were last read; a file that is not one is named in `problems`."""

    files: LogFiles
    problems: dict[str, str]
    merged: CollectionSet = field(default_factory=lambda: CollectionSet.of(()))
    workers: set[str] = field(default_factory=set)
    expected_workers: int = 1
    _read: dict[str, bytes] = field(default_factory=dict)

    def refresh(self) -> None:
        """Read the files that are new or were written again."""
        for name in sorted(self.files.names(COLLECTIONS)):
            match = COLLECTIONS_NAME.fullmatch(name)
            if match is None:
                continue
            try:
                content = self.files.read(collections_path(match[1]))
            except NotFound:
                continue            # it was replaced in this very moment
            if self._read.get(match[1]) != content:
                self._read[match[1]] = content
                self._take_in(match[1], content)

    def _take_in(self, worker: str, content: bytes) -> None:
        path = collections_path(worker)
        try:
            document = json.loads(content)
            collections = [Collection.from_json(one) for one in document["collections"].values()]
            workers = int(document.get("_meta", {}).get("num_workers", 1))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidRequest) as error:
            self.problems[path] = f"it is not a file of collections: {error!r}"
            return
        self.problems.pop(path, None)
        self.workers.add(worker)
        self.expected_workers = max(self.expected_workers, min(workers, MOST_WORKERS))
        for one in collections:
            mine = self.merged.get(one.name)
            names = one.tensor_names | (mine.tensor_names if mine else frozenset())
            self.merged = self.merged.adding(replace(one, tensor_names=names))
