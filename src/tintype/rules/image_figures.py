"""Mean, deviation and range of the images that a network was fed with, added up over batches."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

import numpy as np

from tintype.rules.step_view import StepView


@final
@dataclass
class ImageFigures:
    """Call `add` for each batch. Channels are told apart when whole batches were saved."""

    name: str = ""
    images: int = 0
    batches: int = 0
    low: float = math.inf
    high: float = -math.inf
    repeated: bool = False              # all images of a whole batch were one image
    blank: float = 0.0                  # largest share of the images of a whole batch that are of one number each
    last: StepView | None = None
    _channels: list[np.ndarray] = field(default_factory=list)       # means of channels, of each whole batch
    _means: list[float] = field(default_factory=list)
    _squares: list[float] = field(default_factory=list)

    def add(self, step: StepView, name: str, channel: int) -> bool:
        """Take the batch `name` at `step`; False when neither it nor its mean, deviation and range were saved."""
        mean, std = step.number(name, "mean"), step.number(name, "std")
        low, high = step.number(name, "min"), step.number(name, "max")
        if mean is None or std is None or low is None or high is None or not math.isfinite(mean):
            return False
        shape = step.shape(name)
        self.name, self.last = name, step
        self.images += shape[0] if shape else 1
        self.batches += 1
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._means.append(mean)
        self._squares.append(std * std + mean * mean)
        self._whole(step, name, channel)
        return True

    def _whole(self, step: StepView, name: str, channel: int) -> None:
        value = step.value(name)
        if value is None or value.ndim <= max(channel, 1):
            return
        axes = tuple(axis for axis in range(value.ndim) if axis != channel)
        self._channels.append(value.mean(axis=axes, dtype=np.float64))
        if len(value) > 2 and value.min() != value.max():
            flat = value.reshape(len(value), -1)
            self.blank = max(self.blank, float(np.mean(flat.min(axis=1) == flat.max(axis=1))))
            self.repeated = self.repeated or bool(np.all(value == value[:1]))

    @property
    def mean(self) -> float:
        """Of all pixels."""
        return float(np.mean(self._means))

    @property
    def deviation(self) -> float:
        """Of all pixels."""
        return math.sqrt(max(0.0, float(np.mean(self._squares)) - self.mean**2))

    @property
    def means(self) -> list[float]:
        """Of each channel, when most batches were saved whole; otherwise of all pixels."""
        shapes = {one.shape for one in self._channels}
        if len(shapes) == 1 and 2 * len(self._channels) > self.batches:
            return np.mean(self._channels, axis=0).tolist()
        return [self.mean]
