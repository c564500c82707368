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
AGAIN = 0.8                             # of the training images: so many in a pass are the training split, judged too

PRINTS = whole("fingerprints", f"^{FINGERPRINTS}$", save_config=OFTEN)

Array = np.ndarray[Any, Any]


@final
@dataclass(frozen=True)
class TrainValidLeakParameters(Parameters):
    """What TrainValidLeak can be told."""

    threshold: float = parameter(0.01, "share of validation images that may be training images", low=0, high=1)
    least: int = parameter(3, "and their least number", low=1)


@final
@dataclass(frozen=True)
class Batch:
    """What is known of the images of one batch of evaluation."""

    prints: Array | None
    ids: list[str]

    def __len__(self) -> int:
        return max(0 if self.prints is None else len(self.prints), len(self.ids))


Marked = tuple[Batch, Array]            # with which of its images are training images


@final
@dataclass
class TrainValidLeak(Rule[TrainValidLeakParameters]):
    """Validation images are among the training images, so that the validation loss says nothing of new ones.

    The split was made after images were copied or augmented, two folders overlap, or the wrong folder was given twice.
    Training looks excellent: the gap between the two losses never opens. On an easy data set a sound training looks
    just so, which is why losses alone are not enough, and images are compared.

    Fires, once, when of the validation images more than `threshold`, and at least `least` of them, have the fingerprint
    of a training image, or its path. A fingerprint is a few fixed projections of what the network is given; an image
    counts as the same when all of them agree to 1/10,000 of their deviation. Batches of nothing but training images are
    left out when together they are most of those, and others come besides: a script may judge both splits. Training
    images that are augmented match only when they come by unchanged (an image that is flipped half of the time does so
    soon; a random crop hardly ever), so that silence is no proof there.

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
    _trained_paths: set[str] = field(default_factory=set)
    _batches: list[Batch] = field(default_factory=list)         # of the pass under way
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
            self._batches.append(Batch(prints if prints is not None and prints.ndim == 2 else None, names))
        return ()

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        return () if self._said else self._judge()

    def missing(self) -> str:
        return "" if self._judged else "fingerprints or paths of samples in training and evaluation are needed"

    def _judge(self) -> Iterator[Finding]:
        step, batches = self._last, self._batches
        self._last, self._batches = None, []
        if step is None:
            return
        known = np.concatenate(self._trained) if self._trained else np.zeros((0, 0))
        marked = [(one, self._known(one, known)) for one in batches]
        judged = list(self._without_training_split(marked, known))
        same = np.concatenate([found for _, found in judged])
        count, share = int(same.sum()), float(same.mean()) if len(same) else 0.0
        if count < self.parameters.least or share <= self.parameters.threshold:
            return
        self._said = True
        ids = [name for one, _ in judged for name in one.ids]
        shown = tuple(ids[one] for one in np.flatnonzero(same)[:SHOWN]) if len(ids) == len(same) else ()
        yield Finding(
            self.NAME, step.step, step.mode, step.mode_step, FINGERPRINTS, share, self.parameters.threshold,
            f"{count} of {len(same)} validation images ({100 * share:.3g} %) are training images", CAUSE, REMEDY, shown,
        )  # fmt: skip

    def _known(self, batch: Batch, known: Array) -> Array:
        """For each image of a batch whether it is a training image."""
        same = np.zeros(len(batch), dtype=bool)
        if batch.prints is not None and len(known) > 1 and known.shape[1:] == batch.prints.shape[1:]:
            self._judged = True
            same[: len(batch.prints)] |= found_in(batch.prints, known)
        if self._trained_paths and batch.ids:
            self._judged = True
            same[: len(batch.ids)] |= [one in self._trained_paths for one in batch.ids]
        return same

    def _without_training_split(self, marked: list[Marked], known: Array) -> Iterator[Marked]:
        again = sum(len(found) for _, found in marked if found.all())
        others = any(not found.all() for _, found in marked)
        whole = others and again >= AGAIN * (len(self._trained_paths) or _distinct(known))
        yield from ((one, found) for one, found in marked if not (whole and found.all()))


def _distinct(known: Array) -> int:
    """How many images there are among fingerprints that come again in every epoch."""
    scale = SAME * (known.std(axis=0) + 1e-12) if len(known) else 1.0
    return len(np.unique(np.round(known / scale), axis=0))


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
