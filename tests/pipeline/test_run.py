"""`tintype.run` as others call it: what is wrong is said before anything is begun; paths may be Paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tintype
from tintype.errors import InvalidRequest, NotFound
from tintype.pipeline.watching import Watcher
from tintype.settings import Settings
from tintype.workspace import RUN_KIND, open_workspace


def run(home: Path, **given: Any) -> tintype.RunResult:
    return tintype.run(**{"home": home, "model": "small_cnn", "weights": "none", **given})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"data": 5}, "data: give a path or a URL"),
        ({"data": b"photos"}, "data: give a path or a URL"),
        ({"data": None}, "data: give a path or a URL"),
        ({"home": 5}, "home: give a path"),
        ({"weights": 5}, "weights: give a path"),
        ({"predict": 5}, "predict: give a path"),
        ({"predict": [5]}, "predict: give a path"),
        ({"name": 7}, "name: input should be a valid string, got 7"),
        ({"trials": "many"}, "trials: input should be a valid integer"),
        ({"trials": 1.5}, "trials: input should be a valid integer"),
        ({"epochs": [2]}, "epochs: input should be a valid integer"),
        ({"image_size": "small"}, "image_size: input should be a valid integer"),
        ({"freeze": "perhaps"}, "freeze: input should be a valid boolean"),
        ({"strict": None}, "strict: input should be a valid boolean"),
        ({"seed": "x"}, "seed: input should be a valid integer"),
        ({"trials": -1}, r"trials must be 0 \(no search\) or more"),
        ({"watcher": print}, "watcher: give a tintype"),
    ],
    ids=str,
)
def test_what_is_of_another_kind_is_refused_by_name(tmp_path: Path, given: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        run(**{"home": tmp_path / "home", "data": tmp_path, **given})
    assert not (tmp_path / "home").exists()


def test_weights_and_images_may_be_paths(colours: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no weights file .*nothing\.pth"):
        run(tmp_path / "home", data=colours, weights=tmp_path / "nothing.pth")
    with pytest.raises(NotFound, match=r"there is no file or folder .*nothing\.jpg"):
        run(tmp_path / "home", data=colours, predict=(one for one in [tmp_path / "nothing.jpg"]))


def test_numbers_of_numpy_are_numbers(colours: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"hyperparameter 'epochs'.*got 0"):
        run(tmp_path / "home", data=colours, epochs=np.int64(0), seed=np.int32(1))


class Impatient(Watcher):
    """Presses Ctrl-C as soon as the images are looked at."""

    def stage(self, name: str) -> None:
        raise KeyboardInterrupt


def test_a_run_that_is_ended_before_anything_began_leaves_its_name_free(colours: Path, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "home", data=colours, name="ants", watcher=Impatient())
        with open_workspace(Settings(home=tmp_path / "home")) as workspace:
            assert not workspace.records.names(RUN_KIND)
