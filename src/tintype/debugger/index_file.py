"""smdebug's index of one step of one worker: which tensors its event file holds, and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tintype.debugger.event_decoding import Damaged
from tintype.debugger.layout import OWN_PAYLOAD
from tintype.debugger.modes import Mode

MOST = 1 << 62


@dataclass(frozen=True)
class StepIndex:
    """What an index file says. `event_file` is relative to the log; "" when only shapes were saved."""

    mode: Mode
    mode_step: int
    event_file: str
    tensors: tuple[tuple[str, int, int], ...]               # name as stored, start, length
    shapes: tuple[tuple[str, tuple[int, ...]], ...]


def read_index(content: bytes) -> StepIndex:
    """Read an index file of smdebug or ours. Raises `Damaged`, saying what is wrong, for anything else."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"it is not JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("meta"), dict):
        raise Damaged("it is not the index of a step: there is no meta")
    meta = document["meta"]
    try:
        tensors = [*(document.get("tensor_payload") or ()), *(document.get(OWN_PAYLOAD) or ())]
        return StepIndex(
            mode=Mode[str(meta["mode"]).strip()],
            mode_step=_count(meta["mode_step"]),
            event_file=_event_file(meta, bool(tensors)),
            tensors=tuple((_name(one), _count(one["start_idx"]), _count(one["length"])) for one in tensors),
            shapes=tuple((_name(one), _shape(one["shape"])) for one in document.get("shape_payload") or ()),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"it is not the index of a step: {error!r}") from error


def _event_file(meta: Mapping[str, Any], needed: bool) -> str:
    path = str(meta.get("event_file_name") or "")
    if needed and (not path.startswith("events/") or ".." in path.split("/")):
        raise ValueError(f"{path!r} is no place for an event file")
    return path


def _count(value: Any) -> int:
    if isinstance(value, bool) or not 0 <= (number := int(value)) < MOST:
        raise ValueError(f"{value!r} does not count anything")
    return number


def _name(entry: Mapping[str, Any]) -> str:
    name = entry["tensorname"]
    if not isinstance(name, str) or not name:
        raise ValueError(f"{name!r} is not the name of a tensor")
    return name


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(_count(size) for size in shape)
