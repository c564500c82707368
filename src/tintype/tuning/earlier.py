"""What a tuning job is told of earlier ones (warm start): which, how they are meant, and what they found. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import final

from tintype.tuning.ranges import Value


class WarmStartType(Enum):
    """How much the earlier tuning jobs have in common with this one. The values are SageMaker's words."""

    IDENTICAL = "IdenticalDataAndAlgorithm"         # their values count as if they were found here
    TRANSFER = "TransferLearning"                   # their best points are where we begin; their values are not ours


@final
@dataclass(frozen=True)
class Earlier:
    """One completed trial of an earlier tuning job."""

    job: str                                        # the trial's name
    hyperparameters: Mapping[str, Value]            # those that are tuned here
    value: float


@final
@dataclass(frozen=True)
class WarmStart:
    """The earlier tuning jobs, and what they found at the moment when this one was asked for."""

    type: WarmStartType
    parents: tuple[str, ...]
    trials: tuple[Earlier, ...] = ()                # within the ranges of this tuning job
