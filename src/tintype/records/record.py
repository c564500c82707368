"""What the store gives: a document, a measurement; and by what a list can be sorted."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, final

Json = dict[str, Any]


@final
@dataclass(frozen=True)
class Record:
    """One document as it was when read. Times are seconds since the epoch, UTC."""

    kind: str
    name: str
    version: int
    status: str
    parent: str                 # "" when it has none
    created_at: float
    updated_at: float
    document: Json


@final
@dataclass(frozen=True)
class Measurement:
    """One value of one metric of a job, e.g. ("valid:loss", step=3, 0.41)."""

    name: str
    step: int                   # epoch or iteration, as the metric counts
    value: float
    at: float = 0.0             # 0: now
    id: int = field(default=0, compare=False)       # given by the store; later ones are larger


class SortBy(Enum):
    """By what a list is sorted; states by age, ties by name. The values are SageMaker's words."""

    CREATION_TIME = "CreationTime"
    NAME = "Name"
    STATUS = "Status"
    LAST_MODIFIED_TIME = "LastModifiedTime"
