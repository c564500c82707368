"""What a report is made of: plain values that the parts of a run hand over. Each says where it comes from.

Nothing here opens a file or knows a store, so that every caller, and every test, can make one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "valid", "test", "unlabelled")           # as datasets.SPLITS: `Album.splits` are indices into it


@final
@dataclass(frozen=True, eq=False)
class Album:
    """The images of a data set, row by row: `root`, `paths`, `labels`, `splits`, `classes`, `layout` and `notes` of a
    `datasets.Dataset`. The rows are those that `predictions-<split>.npz` counts in its `indices`.
    """

    root: Path
    paths: Sequence[str]                                    # relative to root
    labels: NDArray[np.int32]                               # (n,) index into classes, -1 unlabelled
    splits: NDArray[np.uint8]                               # (n,) index into SPLITS
    classes: tuple[str, ...]
    layout: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quarantined:
    """A file that training left out: an entry of "quarantined" in the training result."""

    path: str
    reason: str


@dataclass(frozen=True)
class Model:
    """The network that was trained: `plan.network` of the final job, and what the weights turned out to be."""

    network: str                                            # "resnet18"
    freeze: str = "none"                                    # "none", "backbone", or how many stages are not
    weights: str = ""                                       # where they came from
    image_size: int | None = None                           # pixels per side


class TrialState(Enum):
    """How a trial stands; the tuner's own states, told apart as far as a figure needs."""

    COMPLETED = "completed"
    STOPPED = "stopped early"
    FAILED = "failed"
    RUNNING = "not finished"


@dataclass(frozen=True)
class TrialEvidence:
    """One trial: `tuning.Trial` as the store keeps it, with the times of its job."""

    number: int
    name: str
    hyperparameters: Mapping[str, str | float | int | bool]
    state: TrialState
    value: float | None                                     # the objective; None when it has none, NaN is none
    started_at: float | None                                # seconds since the epoch
    ended_at: float | None
    history: tuple[float, ...] = ()                         # the objective after each epoch
    reason: str = ""                                        # of a failure or a stop

    @property
    def score(self) -> float | None:
        """The value when it is a finite number."""
        return self.value if self.value is not None and math.isfinite(self.value) else None


@dataclass(frozen=True)
class HyperparameterRange:
    """One range of the search: `low` and `high` of a continuous or integer one, `values` of a categorical one."""

    name: str
    low: float | None = None
    high: float | None = None
    values: tuple[str | float | int, ...] = ()
    logarithmic: bool = False
    whole: bool = False                                     # an integer range

    def few_values(self, most: int = 12) -> tuple[str | float | int, ...]:
        """The values one by one: of a categorical range, or of an integer range with at most `most` of them."""
        if self.whole and self.low is not None and self.high is not None and self.high - self.low < most:
            return tuple(range(int(self.low), int(self.high) + 1))
        return self.values


@dataclass(frozen=True)
class TuningEvidence:
    """A tuning job: its settings and all its trials, in the order they began."""

    objective: str                                          # "valid:accuracy"
    maximise: bool
    strategy: str
    ranges: tuple[HyperparameterRange, ...]
    trials: tuple[TrialEvidence, ...]
    importance: Mapping[str, float] = field(default_factory=dict)   # share of each hyperparameter, the largest first
    importance_note: str = ""                               # why there is none


@dataclass(frozen=True)
class Endpoint:
    """A running endpoint: `url` is its address, and `<url>/invocations` takes image bytes."""

    name: str
    url: str


@final
@dataclass(frozen=True)
class Profile:
    """What the profiler said of the final training."""

    verdict: str                                            # a sentence or two
    page: str = ""                                          # its report, relative to this one; "": not beside it


@final
@dataclass(frozen=True, eq=False)
class RunEvidence:
    """One run, as the pipeline hands it to `gathering.gather`."""

    name: str
    made_at: float                                          # seconds since the epoch
    seconds: float                                          # wall time of the whole run
    location: str                                           # the data, as the user named it
    command: str                                            # one line for a shell that does it again
    seed: int
    model: Model
    album: Album
    training_directory: Path                                # jobs.JobDirectory.root of the final training
    result: Mapping[str, Any]                               # training.events.result_json of the final training
    check: Mapping[str, Any] | None = None                  # CheckReport.to_json(); None: it was not run
    tuning: TuningEvidence | None = None
    phases: Mapping[str, float] = field(default_factory=dict)        # phase of the run -> seconds, in order
    endpoint: Endpoint | None = None
    environment: Mapping[str, str] = field(default_factory=dict)     # "python" -> "3.12.1", "processor" -> ...
    profile: Profile | None = None                          # None: nobody measured
    max_pixels: int = 100_000_000                           # settings.max_image_pixels, for thumbnails
