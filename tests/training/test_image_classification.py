"""SageMaker's built-in algorithm by our trainer: its hyperparameters and its data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tintype.errors import BadData, InvalidRequest
from tintype.training.hyperparameters import plan_from
from tintype.training.image_classification import data_location, hyperparameters_of
from tintype.training.plan import DataPlan, TrainingPlan

GIVEN = {
    "num_layers": "18", "use_pretrained_model": "1", "image_shape": "3,224,224", "num_classes": "133",
    "num_training_samples": "6680", "mini_batch_size": "64", "epochs": "5", "learning_rate": "0.01",
    "optimizer": "adam", "beta_1": "0.8", "momentum": "0.95", "weight_decay": "0.0001", "eps": "1e-7",
    "augmentation_type": "crop_color_transform", "lr_scheduler_step": "2,4", "lr_scheduler_factor": "0.5",
}  # fmt: skip


def plan_of(given: dict[str, str]) -> TrainingPlan:
    base = TrainingPlan(name="a", directory=Path("/nowhere"), data=DataPlan(location="/nowhere"))
    return plan_from(hyperparameters_of(given)[0], base)


def test_the_algorithms_hyperparameters_are_ours() -> None:
    plan = plan_of(GIVEN)
    assert (plan.network.name, plan.network.weights, plan.network.image_size) == ("resnet18", None, 224)
    assert (plan.batch_size, plan.epochs) == (64, 5)
    assert (plan.optimiser.kind, plan.optimiser.momentum, plan.optimiser.eps) == ("adam", 0.8, 1e-7)
    assert (plan.schedule.kind, plan.schedule.step_epochs, plan.schedule.step_factor) == ("step", 2.0, 0.5)
    assert plan.augmentation.kind == "randaugment"
    passes_by = "has no meaning here and passes by"
    assert hyperparameters_of(GIVEN)[1] == [f"num_classes=133 {passes_by}", f"num_training_samples=6680 {passes_by}"]


def test_its_defaults_are_the_algorithms() -> None:
    plan = plan_of({})
    assert (plan.network.name, plan.network.weights, plan.epochs) == ("resnet152", "none", 30)
    assert (plan.optimiser.kind, plan.optimiser.learning_rate, plan.schedule.kind) == ("sgd", 0.1, "constant")
    assert (plan.augmentation.kind, plan.patience) == ("none", 0)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("num_layers", "17", ""),
        ("num_layers", "many", "num_layers"),
        ("optimizer", "rmsprop", "optimizer"),
        ("image_shape", "224", "image_shape"),
        ("augmentation_type", "mixup", "augmentation_type"),
        ("learningrate", "0.1", "learningrate"),
    ],
)
def test_what_it_does_not_have(name: str, value: str, said: str) -> None:
    if not said:
        assert hyperparameters_of({name: value})[0]["model"] == "small_cnn"
        return
    with pytest.raises(InvalidRequest, match=said):
        hyperparameters_of({name: value})


def test_channels_of_class_folders_are_the_data_set(tmp_path: Path) -> None:
    (tmp_path / "train" / "ants").mkdir(parents=True)
    assert data_location(tmp_path) == tmp_path


def test_lists_become_a_manifest(tmp_path: Path) -> None:
    for channel, line in (("train", "5\t1\tbees/a.jpg"), ("validation", "7\t0.0\tants/b.jpg")):
        (tmp_path / channel).mkdir()
        (tmp_path / f"{channel}_lst").mkdir()
        (tmp_path / f"{channel}_lst" / "any.lst").write_text(f"{line}\n")
    manifest = data_location(tmp_path)
    assert manifest.read_text() == (
        "path,label,split\ntrain/bees/a.jpg,1,train\nvalidation/ants/b.jpg,0,valid\n"
    )


@pytest.mark.parametrize(
    ("labels", "written"),
    [(("10", "2", "0.000000"), ["10", "02", "00"]), (("10", "b", "0"), ["10", "b", "0"]), (("1.5", "2"), ["1.5", "2"])],
)
def test_labels_that_are_numbers_are_in_their_order(labels: Sequence[str], written: list[str], tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train_lst").mkdir()
    (tmp_path / "train_lst" / "a.lst").write_text("".join(f"1\t{label}\tx.jpg\n" for label in labels))
    rows = data_location(tmp_path).read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == written


def test_data_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="needs the channel 'train'"):
        data_location(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "all.rec").write_bytes(b"")
    with pytest.raises(BadData, match="RecordIO"):
        data_location(tmp_path)
    (tmp_path / "train" / "all.rec").unlink()
    (tmp_path / "train_lst").mkdir()
    with pytest.raises(BadData, match=r"no \.lst file"):
        data_location(tmp_path)
    (tmp_path / "train_lst" / "a.lst").write_text("1 2 3\n")
    with pytest.raises(BadData, match="line 1"):
        data_location(tmp_path)
