"""The instance types that a job could run on, with their prices: a table that anybody can replace.

A table is CSV with the columns of `InstanceType`, or JSON: a list of objects with the same names.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, final

from tintype.errors import InvalidRequest, NotFound

DEFAULT_TABLE = Path(__file__).parent / "instances.csv"


@final
@dataclass(frozen=True)
class InstanceType:
    """One type of machine."""

    name: str
    vcpus: int
    memory_gib: float
    gpus: int
    gpu: str                            # its name; "" without one
    gpu_memory_gib: float               # of each
    dollars_per_hour: float


def read_instances(path: Path = DEFAULT_TABLE) -> tuple[InstanceType, ...]:
    """The table at `path`. Raises `NotFound`, and `InvalidRequest` that names the row and the column."""
    try:
        text = path.read_text()
    except OSError as error:
        raise NotFound(f"there is no table of instance types at {path}") from error
    rows = _json_rows(path, text) if path.suffix == ".json" else _csv_rows(text)
    found = tuple(_instance(path, number, row) for number, row in enumerate(rows, 1))
    if not found:
        raise InvalidRequest(f"{path} has no instance types; write one row for each")
    return found


def _csv_rows(text: str) -> list[Mapping[str, Any]]:
    return list(csv.DictReader(line for line in text.splitlines() if line.strip() and not line.startswith("#")))


def _json_rows(path: Path, text: str) -> Iterable[Mapping[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidRequest(f"{path} is no JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise InvalidRequest(f"{path} must be a list of objects, one for each instance type")
    return found


def _instance(path: Path, number: int, row: Mapping[str, Any]) -> InstanceType:
    values: dict[str, Any] = {}
    for one in fields(InstanceType):
        text, convert = row.get(one.name), {"str": str, "int": int, "float": float}[str(one.type)]
        try:
            values[one.name] = convert(text if text is not None else "")
        except (TypeError, ValueError) as error:
            raise InvalidRequest(f"{path}, row {number}: {one.name} must be a {one.type}, got {text!r}") from error
    found = InstanceType(**values)
    if found.vcpus < 1 or found.memory_gib <= 0 or not 0 <= found.dollars_per_hour < float("inf"):
        raise InvalidRequest(f"{path}, row {number}: {found.name} needs a vCPU, memory, and a price of at least 0")
    return found
