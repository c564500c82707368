"""What the network said of the validation images, and how bright they are: what drift is told from once it is served.

Kept among the archive's metrics, as counts by class and by tenth of brightness; `serving.drift_watch` reads them.
"""

from __future__ import annotations

import numpy as np

from tintype.datasets.brightness import brightness_counts
from tintype.training.evaluation import Evaluation

PREDICTION, BRIGHTNESS = "valid.prediction", "valid.brightness"
MOST_IMAGES = 1000          # whose brightness is measured


def served_distribution(valid: Evaluation, classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """{"valid.prediction": {class: count}, "valid.brightness": {tenth: count}}; empty without validation images."""
    count = len(valid.split)
    if not count:
        return {}
    found = np.bincount(valid.logits.argmax(dim=1).numpy(), minlength=len(classes))
    positions = np.unique(np.linspace(0, count - 1, min(count, MOST_IMAGES)).astype(int))
    tenths = brightness_counts(valid.split.cache.images, valid.split.rows[positions])
    return {
        PREDICTION: {name: float(number) for name, number in zip(classes, found, strict=True)},
        BRIGHTNESS: {name: float(number) for name, number in sorted(tenths.items())},
    }
