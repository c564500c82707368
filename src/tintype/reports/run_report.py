"""What a report says, as data: one frozen value per section, made by `gathering` and drawn by `page`.

A section that lacks its data is a `Missing` with the reason, never an empty frame: readers see why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tintype.reports.evidence import Endpoint, HyperparameterRange, Model, Profile, Quarantined, TrialEvidence
from tintype.reports.figures.reliability import Bin
from tintype.reports.objective import Objective

WELL_CALIBRATED = 0.05                                      # expected calibration error below this


@dataclass(frozen=True)
class Missing:
    """Why a section has nothing to show, as a sentence or two that say what would fill it."""

    reason: str


@dataclass(frozen=True)
class Picture:
    """A thumbnail as a `data:` URI of a small JPEG, without the original's metadata."""

    uri: str
    width: int                                              # pixels
    height: int
    file: str                                               # relative to the data set


@dataclass(frozen=True)
class Sample:
    """A few pictures of one class."""

    name: str
    count: int                                              # images of the class in all splits
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Problem:
    """One kind of problem that the data check found."""

    kind: str                                               # "duplicate-across-splits"
    title: str
    severity: str                                           # "error", "warning" or "note"
    count: int                                              # of files or classes concerned
    advice: str
    details: tuple[str, ...]                                # one line per file or group; the first ones only
    pictures: tuple[tuple[Picture, ...], ...]               # files that are alike are in one group


@dataclass(frozen=True)
class Data:
    """The data set. `counts` is split -> images per class, in the order of `classes`."""

    location: str
    layout: str
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    unlabelled: int
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]                      # what the check measured: sizes, formats
    problems: tuple[Problem, ...] | Missing
    quarantined: tuple[Quarantined, ...]
    samples: tuple[Sample, ...] | Missing

    @property
    def images(self) -> int:
        """All images, unlabelled ones too."""
        return sum(sum(one) for one in self.counts.values()) + self.unlabelled


@dataclass(frozen=True)
class Tuning:
    """The search: what was tried, what came out. `best` is a trial's number, None when none has a value."""

    objective: Objective
    strategy: str
    ranges: tuple[HyperparameterRange, ...]
    trials: tuple[TrialEvidence, ...]
    best: int | None
    importance: Mapping[str, float] | Missing = Missing("It was not computed.")     # shares, the largest first


@dataclass(frozen=True)
class Curves:
    """The final training, epoch by epoch: split -> values, NaN where there is none."""

    loss: Mapping[str, tuple[float, ...]]
    accuracy: Mapping[str, tuple[float, ...]]
    best_epoch: int | None                                  # from 1

    @property
    def epochs(self) -> int:
        """How many epochs there are values of."""
        return max((len(values) for values in (*self.loss.values(), *self.accuracy.values())), default=0)


@dataclass(frozen=True)
class ClassScore:
    """One row of the per-class table; shares in 0..1, None where they cannot be computed (0 of 0)."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int                                            # images of this class in the split


@dataclass(frozen=True)
class Score:
    """One split's figures. `low` and `high` are the 95% Wilson interval of the accuracy."""

    split: str
    images: int
    accuracy: float
    low: float
    high: float
    loss: float | None
    top5: float | None


@dataclass(frozen=True, eq=False)
class Judgement:
    """The final model judged on one split: the test split, or the validation split when there is no other."""

    split: str
    confusion: NDArray[np.int64]                            # (classes, classes): rows true, columns predicted
    per_class: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Mistake:
    """A wrongly classified image."""

    picture: Picture | None                                 # None: it could not be read again
    file: str
    true: str
    predicted: str
    probability: float                                      # of the predicted class
    probability_of_true: float


@dataclass(frozen=True)
class Mistakes:
    """The worst of them, most certain first, and how many there are in all."""

    split: str
    total: int
    images: int
    shown: tuple[Mistake, ...]


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities mean what they say. `error` is the expected calibration error over `bins`, 0..1."""

    split: str
    error: float
    confidence: float                                       # mean probability of the predicted class
    accuracy: float
    bins: tuple[Bin, ...]

    @property
    def images(self) -> int:
        """How many images it was measured on."""
        return sum(one.count for one in self.bins)

    @property
    def is_good(self) -> bool:
        """Whether the probabilities can be taken at their word."""
        return self.error < WELL_CALIBRATED


@dataclass(frozen=True)
class Reproduction:
    """How to do it again."""

    command: str
    seed: int
    environment: tuple[tuple[str, str], ...]
    archive: str | None


@dataclass(frozen=True)
class RunReport:
    """Everything on the page, section by section."""

    name: str
    made_at: float                                          # seconds since the epoch, UTC
    seconds: float                                          # wall time of the run
    model: Model
    hyperparameters: Mapping[str, object] | Missing         # of the final model
    data: Data
    tuning: Tuning | Missing
    curves: Curves | Missing
    scores: tuple[Score, ...]
    judgement: Judgement | Missing
    mistakes: Mistakes | Missing
    calibration: Calibration | Missing
    phases: tuple[tuple[str, float], ...] | Missing         # (name, seconds), in order
    endpoint: Endpoint | Missing
    profile: Profile | None                                 # None: nobody measured the training
    reproduction: Reproduction
    sample_file: str                                        # an image that exists, for the examples of use

    @property
    def headline(self) -> Score | None:
        """The score to be quoted: of the test split, else of the validation split."""
        by_split = {score.split: score for score in self.scores}
        return by_split.get("test") or by_split.get("valid")
