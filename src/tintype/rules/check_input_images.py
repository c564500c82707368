"""The rule CheckInputImages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.rules.attached import FIRST_IMAGES, INPUT_IMAGE, INPUT_NAMES
from tintype.rules.finding import Finding, Remedy
from tintype.rules.image_figures import ImageFigures
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

OFF_CENTRE = 0.85                       # deviation: strokes on an empty ground have up to 0.8, photographs 2
BLANK = 0.1                             # share of the images of the first batch that may be of one colour each
NARROW, WIDE = 0.05, 3.0                # deviations between which pixels are normalised
APART = 3.0                             # factor or deviations by which images of validation differ from training's
BATCHES = 3                             # that are judged at the end of a training that had fewer images


@final
@dataclass(frozen=True)
class CheckInputImagesParameters(Parameters):
    """What CheckInputImages can be told."""

    threshold_mean: float = parameter(0.2, "how far the mean of a channel may be from 0", low=0)
    threshold_samples: int = parameter(500, "images to see before they are judged", low=1)
    regex: tuple[str, ...] = parameter((".*hybridsequential0_input_0",), "expressions that find batches of images")
    channel: int = parameter(1, "axis of the channels", low=0)


@final
@dataclass
class CheckInputImages(Rule[CheckInputImagesParameters]):
    """The images that the network is fed with are not normalised, all alike, or prepared otherwise for validation.

    Fires, once for each, when after `threshold_samples` images of training (or at the end of a shorter training)

    - the mean of a channel (of all pixels, when only reductions were saved) is further from 0 than `threshold_mean` and
      than 0.85 of the deviation, or the deviation is above 3 or below 0.05: pixels of 0 to 255 or of 0 to 1 as they
      came out of the file, or normalised twice,
    - all pixels of all images are the same number, or all images of the first batch are the same image, or more than a
      tenth of them are of one number each,
    - or images of validation have another mean (by three deviations) or deviation (by a factor of three).

    **Needs** the input of the network: `mean`, `std`, `min` and `max`, and whole at the first step. Without a match for
    `regex` it looks at the first input of the root module.

    **Differs from SageMaker's**, whose default expression is a name of MXNet that no PyTorch network has, so that it
    never sees an image, and which fires for normalised images that are darker than ImageNet's. The profile `sagemaker`
    looks at what `regex` finds alone, and fires when after `threshold_samples` images the mean of a channel is further
    from 0 than `threshold_mean`.
    """

    NAME: ClassVar[str] = "CheckInputImages"
    PARAMETERS: ClassVar[type[Parameters]] = CheckInputImagesParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (INPUT_IMAGE, FIRST_IMAGES)

    parameters: CheckInputImagesParameters = field(default_factory=CheckInputImagesParameters)
    profile: Profile = Profile.RIGHT
    _training: ImageFigures = field(default_factory=ImageFigures)
    _validation: ImageFigures = field(default_factory=ImageFigures)
    _told: set[str] = field(default_factory=set)

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        given, literal = self.parameters, self.profile is Profile.SAGEMAKER
        names = step.names(given.regex)
        if not names and not literal:
            names = step.names(INPUT_NAMES)
        figures = self._training if step.is_training or literal else self._validation
        if not names or not figures.add(step, names[0], given.channel):
            return ()
        if figures.images < given.threshold_samples and figures.batches < 4 * BATCHES:
            return ()
        return list(self._unnormalised(step)) if literal else list(self._judge(step))

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        figures = self._training
        if self.profile is Profile.SAGEMAKER or figures.batches < BATCHES or figures.last is None:
            return ()
        return list(self._judge(figures.last))

    def _judge(self, step: StepView) -> Iterator[Finding]:
        seen, other = self._training, self._validation
        if seen.batches < BATCHES:
            return
        if seen.high == seen.low:
            yield from self._tell(step, "same", 0.0, 0.0, f"all pixels of {seen.images} images are {seen.low:.4g}")
        elif seen.repeated:
            yield from self._tell(step, "same", 0.0, 0.0, "all images of the first batch are the same image")
        else:
            if seen.blank > BLANK:
                message = f"{100 * seen.blank:.3g} % of the images of the first batch are of one number each"
                yield from self._tell(step, "same", seen.blank, BLANK, message)
            yield from self._unnormalised(step)
            yield from self._scaled(step)
        if other.batches and seen.deviation > 0:
            shift, factor = abs(other.mean - seen.mean) / seen.deviation, _factor(other.deviation, seen.deviation)
            if shift > APART or factor > APART:
                message = (
                    f"images of validation have a mean of {other.mean:.3g} and a deviation of {other.deviation:.3g}, "
                    f"those of training {seen.mean:.3g} and {seen.deviation:.3g}"
                )
                yield from self._tell(step, "validation", max(shift, factor), APART, message)

    def _unnormalised(self, step: StepView) -> Iterator[Finding]:
        seen, limit = self._training, self.parameters.threshold_mean
        if self.profile is Profile.RIGHT:
            limit = max(limit, OFF_CENTRE * seen.deviation)
        for channel, mean in enumerate(seen.means):
            if abs(mean) > limit:
                which = f"channel {channel}" if len(seen.means) > 1 else "the pixels"
                message = f"the mean of {which} is {mean:.3g} over {seen.images} images; it should be about 0"
                yield from self._tell(step, "mean", abs(mean), limit, message)

    def _scaled(self, step: StepView) -> Iterator[Finding]:
        deviation = self._training.deviation
        if deviation > WIDE or deviation < NARROW:
            message = f"the deviation of the pixels is {deviation:.3g}; normalised images have about 1"
            yield from self._tell(step, "deviation", deviation, WIDE if deviation > WIDE else NARROW, message)

    def _tell(self, step: StepView, kind: str, measured: float, threshold: float, message: str) -> Iterator[Finding]:
        if kind in self._told and self.profile is Profile.RIGHT:
            return
        self._told.add(kind)
        cause, remedy = CAUSES[kind]
        name = self._training.name
        yield Finding(
            self.NAME, step.step, step.mode, step.mode_step, name, measured, threshold, message, cause, remedy
        )

    def missing(self) -> str:
        if self._training.batches >= BATCHES or self._told:
            return ""
        needed = f"{BATCHES} batches of the input of the network are needed"
        return f"{needed}, and {self._training.batches} were saved"


def _factor(one: float, other: float) -> float:
    if one <= 0 or other <= 0:
        return math.inf if one != other else 1.0
    return max(one / other, other / one)


NORMALISE = Remedy("subtract the mean and divide by the deviation of the training images, once, in all splits")
CAUSES = {
    "mean": ("the transform does not normalise (pixels of 0 to 255, or of 0 to 1), or does it twice", NORMALISE),
    "deviation": ("the transform does not normalise (pixels of 0 to 255), or does it twice", NORMALISE),
    "same": (
        "a decoder that fails without a word, or an index that never advances",
        Remedy("look at the images that the loader gives, and at how it counts"),
    ),
    "validation": (
        "the transforms of training and of validation do not normalise alike",
        Remedy("use one normalisation for all splits"),
    ),
}
