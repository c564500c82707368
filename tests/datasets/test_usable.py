from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from tintype.datasets.folder import open_dataset
from tintype.datasets.usable import refuse_too_little, refuse_unusable
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


def written(root: Path, **classes: str) -> Path:
    """A folder with a file a letter in each class, in this order: `g`ood pictures and `b`ad ones."""
    picture = io.BytesIO()
    for name, letters in classes.items():
        (root / name).mkdir(parents=True)
        for number, letter in enumerate(letters):
            picture.seek(0)
            Image.new("RGB", (32, 32), (number, number, 99)).save(picture, "PNG")
            (root / name / f"{number}.png").write_bytes(picture.getvalue() if letter == "g" else b"nothing")
    return root


@pytest.mark.parametrize(
    ("train", "valid", "says"),
    [
        ({"ants": "bg", "bees": "bbg"}, {"ants": "bbb", "bees": "g"}, None),
        ({"ants": "bbb", "bees": "bb"}, {"ants": "g", "bees": "g"}, "no usable image in its train split"),
        ({"ants": "gg", "bees": "bb"}, {"ants": "g", "bees": "g"}, r"'ants', to .* \(train/bees/0.png: not an"),
        ({"ants": "gg", "bees": "gg"}, {"ants": "b", "bees": "b"}, r"no usable .* \(valid/ants/0.png: not"),
    ],
)
def test_sets_are_told_apart_by_their_files(
    tmp_path: Path, train: dict[str, str], valid: dict[str, str], says: str | None
) -> None:
    root = tmp_path / "photos"
    written(root / "train", **train)
    written(root / "valid", **valid)
    dataset = open_dataset(root, workdir=tmp_path / "work")
    if says is None:
        refuse_unusable(dataset, "photos")
        (root / "train" / "bees" / "2.png").unlink()    # a file that is not there is one that cannot be used
        says = "one class only, 'ants'"
    with pytest.raises(BadData, match=says):
        refuse_unusable(dataset, "photos")
