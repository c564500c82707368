from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.training.small_jobs import PlanMaker
from tintype.errors import BadData
from tintype.training.events import Event, Warning
from tintype.training.material import Material, measure_colours, open_material
from tintype.training.phases import Phases
from tintype.training.plan import TrainingPlan


def opened(plan: TrainingPlan, events: list[Event] | None = None) -> Material:
    emit = (events if events is not None else []).append
    return open_material(plan, None, strided=False, phases=Phases(emit), emit=emit)


@pytest.fixture
def spoilt(colours: Path, tmp_path: Path) -> Path:
    """The coloured squares with a truncated file, and a text that is called an image."""
    root = Path(shutil.copytree(colours, tmp_path / "spoilt"))
    whole = (root / "amber" / "000.png").read_bytes()
    (root / "amber" / "000.png").write_bytes(whole[: len(whole) // 2])
    (root / "blue" / "001.png").write_text("not a picture")
    return root


def test_splits_are_parallel_to_the_data_set(make_plan: PlanMaker) -> None:
    material = opened(make_plan())
    assert [split.name for split in material.splits] == ["train", "valid", "test"]
    assert sum(len(split) for split in material.splits) == 60
    for split in material.splits:
        assert np.array_equal(split.labels, material.dataset.labels[split.indices])
        assert len(split.rows) == len(split.labels) == len(split.indices)


def test_colours_are_those_of_the_training_images(make_plan: PlanMaker) -> None:
    material = opened(make_plan({"augmentation": "none"}))
    pixels = material.train.cache.gather(material.train.rows) / 255
    mean, std = measure_colours(material.train)
    assert mean == pytest.approx(pixels.mean(axis=(0, 1, 2)), abs=1e-3)
    assert std == pytest.approx(pixels.std(axis=(0, 1, 2)), abs=1e-3)
    assert (material.preprocessing.mean, material.preprocessing.std) == (mean, std)


def test_pretrained_weights_bring_their_colours(make_plan: PlanMaker) -> None:
    plan, events = make_plan(), list[Event]()
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    material = open_material(plan, imagenet, strided=True, phases=Phases(events.append), emit=events.append)
    assert (material.preprocessing.mean, material.preprocessing.std) == imagenet


def test_crops_are_cut_from_whole_pictures(make_plan: PlanMaker) -> None:
    assert opened(make_plan({"augmentation": "crop-flip"})).train.cache.images.shape[1] == 20
    assert opened(make_plan({"augmentation": "flip"})).train.cache.images.shape[1] == 16
    assert opened(make_plan({"augmentation": "crop-flip"})).valid.cache.images.shape[1] == 16


def test_bad_files_are_set_aside_and_named(make_plan: PlanMaker, spoilt: Path) -> None:
    events: list[Event] = []
    material = opened(make_plan(data=spoilt), events)
    assert {one.path for one in material.quarantined} == {"amber/000.png", "blue/001.png"}
    assert all(one.reason for one in material.quarantined)
    assert sum(len(split) for split in material.splits) == 58
    told = [event.text for event in events if isinstance(event, Warning)]
    assert len(told) == 1
    assert "2 files are set aside" in told[0]
    assert "amber/000.png" in told[0]


def test_strict_fails_instead(make_plan: PlanMaker, spoilt: Path) -> None:
    with pytest.raises(BadData, match=r"2 files cannot be used .*amber/000\.png.* --strict"):
        opened(make_plan(data=spoilt, strict=True))


def test_a_split_of_nothing_but_bad_files_is_refused(make_plan: PlanMaker, tmp_path: Path, colours: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(colours, root / "train")
    for name in ("amber", "blue", "green"):
        (root / "valid" / name).mkdir(parents=True)
        (root / "valid" / name / "x.png").write_text("nothing")
    with pytest.raises(BadData, match="no usable image in its valid split"):
        opened(make_plan(data=root))


def test_one_class_of_images_that_can_be_read_is_refused(make_plan: PlanMaker, tmp_path: Path, colours: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(colours / "blue", root / "blue")
    (root / "green").mkdir()
    (root / "green" / "x.png").write_text("nothing")
    with pytest.raises(BadData, match=r"one class only, 'blue'.* at least two"):
        opened(make_plan(data=root))


def test_a_class_without_training_images_is_told(make_plan: PlanMaker, tmp_path: Path, colours: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(colours, root / "train")
    shutil.copytree(colours, root / "valid")
    shutil.copytree(colours / "blue", root / "valid" / "purple")
    events: list[Event] = []
    opened(make_plan(data=root), events)
    told = [event.text for event in events if isinstance(event, Warning)]
    assert any("no training image" in text and "purple" in text for text in told)


def test_one_class_is_no_choice(make_plan: PlanMaker, tmp_path: Path, colours: Path) -> None:
    shutil.copytree(colours / "blue", tmp_path / "photos" / "blue")
    with pytest.raises(BadData, match="at least two"):
        opened(make_plan(data=tmp_path / "photos"))
