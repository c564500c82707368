"""How many workers a variant should have, by its load: target tracking with cool-downs and bounds. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self, final

from pydantic import BaseModel, ConfigDict, Field, model_validator

TOLERANCE = 0.1             # loads within a tenth of the target are on it; otherwise the number would flutter


class Scaling(BaseModel):
    """By how much load the number of workers is chosen, and within which bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fewest: int = Field(default=1, ge=1, description="workers, however little there is to do")
    most: int = Field(ge=1, le=256, description="workers, however much there is to do")
    target: float = Field(default=2.0, gt=0, description="requests at work or waiting, per worker")
    out_seconds: float = Field(default=5.0, ge=0, description="after a change, until workers are added")
    in_seconds: float = Field(default=60.0, ge=0, description="... and before they are taken away")

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.most < self.fewest:
            raise ValueError(f"at most {self.most} workers and at least {self.fewest} contradict each other")
        return self


@final
@dataclass(frozen=True)
class Load:
    """What a variant had to do lately."""

    workers: int
    in_flight: float            # requests at work or waiting, mean over the last seconds
    since_change: float         # seconds since the number of workers was last changed


def wanted_workers(load: Load, scaling: Scaling) -> int:
    """How many workers there should be. The same as there are while a cool-down lasts or the load is on target.

    More are added at once, as many as the load asks for; of too many, at most half are taken away at a time, since the
    load may be back before new ones have started.
    """
    bounded = min(max(load.workers, scaling.fewest), scaling.most)
    if bounded != load.workers:
        return bounded
    ratio = load.in_flight / (load.workers * scaling.target)
    needed = min(max(math.ceil(load.in_flight / scaling.target), scaling.fewest), scaling.most)
    if ratio > 1 + TOLERANCE and needed > load.workers:
        return needed if load.since_change >= scaling.out_seconds else load.workers
    if ratio < 1 - TOLERANCE and needed < load.workers:
        return max(needed, load.workers // 2) if load.since_change >= scaling.in_seconds else load.workers
    return load.workers
