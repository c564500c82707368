"""The collections of a hook or of a log, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smdebug.core.collection import Collection
from smdebug.exceptions import SMDebugError, SMDebugTypeError
from tintype.debugger.layout import COLLECTIONS
from tintype.debugger.log_location import log_files


class CollectionManager:
    """Collections that are made when they are first asked for."""

    def __init__(self, collections: dict[str, Collection] | None = None, create_default: bool = False) -> None:
        self.collections = {} if collections is None else collections
        self._meta: dict[str, Any] = {"num_workers": 1}

    def create_collection(self, name: str, cls: type[Collection] = Collection) -> None:
        """Make an empty collection, unless there is one of that name."""
        self.collections.setdefault(name, cls(name))

    def get_collections(self) -> dict[str, Collection]:
        """All of them by name."""
        return self.collections

    def add(self, arg: str | Collection) -> None:
        """Add a collection in the place of one of its name, or an empty one by name."""
        if isinstance(arg, Collection):
            self.collections[arg.name] = arg
        else:
            self.create_collection(arg)

    def get(self, name: str, create: bool = True) -> Collection:
        """The collection of a name, made when it is not there."""
        if name not in self.collections:
            if not create:
                raise SMDebugError(f"Collection {name} has not been created")
            self.create_collection(name)
        return self.collections[name]

    def update_meta(self, meta: dict[str, Any]) -> None:
        """Note something about the collections as a whole."""
        if not isinstance(meta, dict):
            raise SMDebugTypeError(f"meta should be a dict, got {type(meta)}")
        self._meta.update(meta)

    def get_num_workers(self) -> int:
        """How many workers write."""
        return int(self._meta["num_workers"])

    def set_num_workers(self, num_workers: int) -> None:
        """Note how many workers write."""
        self._meta["num_workers"] = int(num_workers)

    def to_json_dict(self) -> dict[str, Any]:
        """As the collections file has it."""
        collections = {name: one.to_json_dict() for name, one in self.collections.items()}
        return {"collections": collections, "_meta": self._meta}

    def export(self, out_dir: str, filename: str) -> None:
        """Write the collections file of a log."""
        log_files(out_dir).write(f"{COLLECTIONS}/{filename}", [json.dumps(self.to_json_dict()).encode()])

    @classmethod
    def load(cls, filename: str, collection_class: type[Collection] = Collection) -> CollectionManager:
        """Read a collections file."""
        return cls.load_from_string(Path(filename).read_text(), collection_class)

    @classmethod
    def load_from_string(cls, s: str, collection_class: type[Collection] = Collection) -> CollectionManager:
        """Read the text of a collections file."""
        document = json.loads(s)
        manager = cls({name: collection_class.from_dict(one) for name, one in document["collections"].items()})
        manager.update_meta(document["_meta"])
        return manager

    def __eq__(self, other: object) -> bool:
        return self.collections == other.collections if isinstance(other, CollectionManager) else NotImplemented

    __hash__ = None     # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<class CollectionManager: collection_names={list(self.collections)}>"
