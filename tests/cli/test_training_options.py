from __future__ import annotations

import pytest

from tintype.cli.training_options import TrainerOptions
from tintype.errors import InvalidRequest, NotFound


def test_options_and_parameters_by_their_first_names() -> None:
    asked = TrainerOptions(weights="none", epochs=3).hyperparameters(["Epoch=5", "learning_rate=0.1"])
    assert asked == {"weights": "none", "epochs": "5", "lr": "0.1"}


def test_what_cannot_be_is_said_before_anything_runs() -> None:
    with pytest.raises(InvalidRequest, match="'lr' and 'learning-rate' are the same one"):
        TrainerOptions().hyperparameters(["lr=1", "learning-rate=1"])
    with pytest.raises(InvalidRequest, match="did you mean 'lr"):
        TrainerOptions().hyperparameters(["lrr=1"])
    with pytest.raises(NotFound, match=r"no weights file .*/nowhere.pth"):
        TrainerOptions(weights="nowhere.pth").hyperparameters([])
