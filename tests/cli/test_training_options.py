from __future__ import annotations

import pytest

from tintype.cli.training_options import asked_of_trainer
from tintype.errors import InvalidRequest, NotFound


def test_options_and_parameters_by_their_first_names() -> None:
    assert asked_of_trainer("none", 3, None, ["Epoch=5", "learning_rate=0.1"]) == {
        "weights": "none", "epochs": "5", "lr": "0.1",
    }  # fmt: skip


def test_what_cannot_be_is_said_before_anything_runs() -> None:
    with pytest.raises(InvalidRequest, match="'lr' and 'learning-rate' are the same one"):
        asked_of_trainer(None, None, None, ["lr=1", "learning-rate=1"])
    with pytest.raises(InvalidRequest, match="did you mean 'lr"):
        asked_of_trainer(None, None, None, ["lrr=1"])
    with pytest.raises(NotFound, match=r"no weights file .*/nowhere.pth"):
        asked_of_trainer("nowhere.pth", None, None, None)
