from __future__ import annotations

import pytest

from tintype.datasets.usable import refuse_too_little
from tintype.errors import BadData

SOME = {"ants": 2, "bees": 1}


@pytest.mark.parametrize(
    ("train", "valid", "says"),
    [
        ({}, SOME, "no usable image in its train split; add some$"),
        ({"ants": 0, "bees": 0}, SOME, "no usable image in its train split"),
        (SOME, {"ants": 0}, "no usable image in its valid split; add some; three images of a class"),
        ({"ants": 3, "bees": 0}, SOME, "photos has usable images of one class only, 'ants', to train on"),
    ],
)
def test_what_no_classifier_can_be_made_of(train: dict[str, int], valid: dict[str, int], says: str) -> None:
    with pytest.raises(BadData, match=says):
        refuse_too_little({"train": train, "valid": valid}, "photos")


def test_enough() -> None:
    refuse_too_little({"train": SOME, "valid": {"bees": 1}, "test": {}}, "photos")
