"""What drift is told from: what was said of the validation images, and how bright they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tintype.serving.watching.drift_watch import references_of
from tintype.training.served_distribution import MOST_IMAGES, served_distribution


def evaluation(count: int) -> Any:
    images = np.zeros((count + 1, 2, 2, 3), np.uint8)
    images[1:] = 200
    cache = SimpleNamespace(images=images)

    class Split(SimpleNamespace):
        def __len__(self) -> int:
            return count

    logits = torch.zeros(count, 3)
    logits[: count // 4, 2] = 1
    return SimpleNamespace(split=Split(cache=cache, rows=np.arange(count)), logits=logits)


def test_counts_that_serving_reads_back() -> None:
    told = served_distribution(evaluation(100), ("ant", "bee", "wasp"))
    assert told == {
        "valid.prediction": {"ant": 75, "bee": 0, "wasp": 25},
        "valid.brightness": {"0.0-0.1": 1, "0.7-0.8": 99},
    }
    references = references_of({"valid": {"loss": 0.1}, **told})
    assert references["prediction"].counts == {"ant": 75, "bee": 0, "wasp": 25}
    assert references["brightness"].origin == "validation"


def test_many_images_are_sampled_and_none_is_no_reference() -> None:
    assert sum(served_distribution(evaluation(5000), ("a", "b", "c"))["valid.brightness"].values()) == MOST_IMAGES
    assert served_distribution(evaluation(0), ("a", "b", "c")) == {}
