"""The rule TrainValidLeak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.debugger.modes import Mode
from tintype.debugger.samples import FINGERPRINTS, IDS
from tintype.rules.answers import OFTEN
from tintype.rules.attached import whole
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

MOST = 200_000                          # training images that are remembered (4 MB of fingerprints)
SAME = 1e-4                             # difference of fingerprints, in their deviation over the images
SHOWN = 20

PRINTS = whole("fingerprints", f"^{FINGERPRINTS}$", save_config=OFTEN)

Array = np.ndarray[Any, Any]


@final
@dataclass(frozen=True)
class TrainValidLeakParameters(Parameters):
    """What TrainValidLeak can be told."""

    threshold: float = parameter(0.01, "share of validation images that may be training images", low=0, high=1)
    least: int = parameter(3, "and their least number", low=1)


@final
@dataclass
class TrainValidLeak(Rule[TrainValidLeakParameters]):
    """Validation images are among the training images, so that the validation loss says nothing of new ones.

    The split was made after images were copied or augmented, two folders overlap, or the wrong folder was given twice.
    Training looks excellent: the gap between the two losses never opens. On an easy data set a sound training looks
    just so, which is why losses alone are not enough, and images are compared.

    Fires, once, when of the validation images more than `threshold`, and at least `least` of them, have the fingerprint
    of a training image, or its path. A fingerprint is a few fixed projections of what the network is given; an image
    counts as the same when all of them agree to 1/10,000 of their deviation. Training images that are augmented match
    only when they come by unchanged (an image that is flipped half of the time does so soon; a random crop hardly
    ever), so that silence is no proof there.

    **Needs** the samples' fingerprints (collection fingerprints) or paths, in training and evaluation. SageMaker has no
    such rule.

    Source: Barz and Denzler, "Do we train on test data? Purging CIFAR of near-duplicates", 2020.
    """

    NAME: ClassVar[str] = "TrainValidLeak"
    PARAMETERS: ClassVar[type[Parameters]] = TrainValidLeakParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (PRINTS,)

    parameters: TrainValidLeakParameters = field(default_factory=TrainValidLeakParameters)
    profile: Profile = Profile.RIGHT
    _trained: list[Array] = field(default_factory=list)         # fingerprints, float32 N×K
    _valid: list[Array] = field(default_factory=list)           # of the pass under way
    _trained_paths: set[str] = field(default_factory=set)
    _valid_ids: list[str] = field(default_factory=list)
    _last: StepView | None = None                               # of evaluation
    _judged: bool = False
    _said: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        if self._said:
            return ()
        prints, ids = step.value(FINGERPRINTS), step.value(IDS)
        names = [] if ids is None else [str(one) for one in np.asarray(ids).reshape(-1)]
        if step.is_training:
            found = list(self._judge())
            if prints is not None and prints.ndim == 2 and sum(map(len, self._trained)) < MOST:
                self._trained.append(prints)
            if len(self._trained_paths) < MOST:
                self._trained_paths.update(name for name in names if not name.isdigit())
            return found
        if step.mode is Mode.EVAL and (prints is not None or names):
            self._last = step
            if prints is not None and prints.ndim == 2:
                self._valid.append(prints)
            self._valid_ids += names
        return ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        return () if self._said else self._judge()

    def missing(self) -> str:
        return "" if self._judged else "fingerprints or paths of samples in training and evaluation are needed"

    def _judge(self) -> Iterator[Finding]:
        step, ids = self._last, self._valid_ids
        known = np.concatenate(self._trained) if self._trained else np.zeros((0, 0))
        asked = np.concatenate(self._valid) if self._valid else np.zeros((0, 0))
        self._last, self._valid, self._valid_ids = None, [], []
        if step is None:
            return
        same = np.zeros(max(len(asked), len(ids)), dtype=bool)
        if len(known) > 1 and known.shape[1:] == asked.shape[1:]:
            self._judged = True
            same[: len(asked)] |= found_in(asked, known)
        if self._trained_paths and ids:
            self._judged = True
            same[: len(ids)] |= [one in self._trained_paths for one in ids]
        count, share = int(same.sum()), float(same.mean())
        if count < self.parameters.least or share <= self.parameters.threshold:
            return
        self._said = True
        shown = tuple(ids[one] for one in np.flatnonzero(same)[:SHOWN]) if len(ids) == len(same) else ()
        yield Finding(
            self.NAME, step.step, step.mode, step.mode_step, FINGERPRINTS, share, self.parameters.threshold,
            f"{count} of {len(same)} validation images ({100 * share:.3g} %) are training images", CAUSE, REMEDY, shown,
        )  # fmt: skip


def found_in(asked: Array, known: Array) -> Array:
    """For each row of `asked` (M×K) whether `known` (N×K) has the same one, as booleans M; O((M + N) log N)."""
    scale = known.std(axis=0) + 1e-12
    known, asked = known / scale, asked / scale
    known = known[np.isfinite(known).all(axis=1)]
    known = known[np.argsort(known[:, 0])]
    low = np.searchsorted(known[:, 0], asked[:, 0] - SAME)
    high = np.searchsorted(known[:, 0], asked[:, 0] + SAME)
    rows = zip(asked, low, high, strict=True)
    return np.array([bool((np.abs(known[a:b] - one) < SAME).all(axis=1).any()) for one, a, b in rows], dtype=bool)


CAUSE = "the split was made after images were copied or augmented, or the folders of the two splits overlap"
REMEDY = Remedy("split by original image, and before anything is copied; judge the model again on images it never saw")
