"""`python -m tintype.training.image_classification`: SageMaker's built-in algorithm of that name, by Tintype's trainer.

It is run as a job's program, with the algorithm's own hyperparameters and channels:

    train, validation                   folders of images with one folder for each class, or any images with a list:
    train_lst, validation_lst           `index <tab> label <tab> path` a line, as the algorithm's .lst files are

Hyperparameters that have no meaning here are named in the log and pass by. RecordIO files are not read.
Source: the algorithm's pages in Amazon's documentation.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tintype.errors import BadData, InvalidRequest, TintypeError
from tintype.freed_memory import keep_freed_memory
from tintype.jobs.directory import JobDirectory
from tintype.settings import Settings
from tintype.storage import write_bytes
from tintype.training.hyperparameters import Value, parse_words, plan_from
from tintype.training.plan import DataPlan, TrainingPlan, save_plan

SPLITS = {"train": "train", "validation": "valid"}          # channel -> split
RECORDS = (".rec", ".recordio")
LISTED = "images.csv"                                       # of input/data: what the .lst files say, as our manifest

# the algorithm's hyperparameter -> ours
NAMES = {
    "epochs": "epochs",
    "mini_batch_size": "batch-size",
    "learning_rate": "lr",
    "optimizer": "optimizer",
    "momentum": "momentum",
    "beta_1": "momentum",
    "weight_decay": "weight-decay",
    "eps": "eps",
    "lr_scheduler_factor": "step-factor",
    "augmentation_type": "augmentation",
    "early_stopping_patience": "patience",
    "precision_dtype": "precision",
}
NETWORKS = {"18": "resnet18", "34": "resnet34", "50": "resnet50", "101": "resnet101", "152": "resnet152"}
OPTIMISERS = {"sgd": "sgd", "nag": "sgd", "adam": "adam"}
AUGMENTATIONS = {"none": "none", "crop": "crop-flip", "crop_color": "crop-flip", "crop_color_transform": "randaugment"}
PRECISIONS = {"float32": "fp32", "float16": "auto"}
DERIVED = frozenset({"num_layers", "use_pretrained_model", "image_shape", "resize", "lr_scheduler_step",
                     "use_weighted_loss", "early_stopping"})  # fmt: skip
# Known from the data, or without a counterpart.
WITHOUT = frozenset({"num_classes", "num_training_samples", "multi_label", "checkpoint_frequency", "kv_store",
                     "top_k", "beta_2", "gamma", "early_stopping_min_epochs", "early_stopping_tolerance"})  # fmt: skip
SMALLEST = "small_cnn"                                      # for images that are smaller than a ResNet is made for


def hyperparameters_of(given: Mapping[str, str]) -> tuple[dict[str, Value], list[str]]:
    """Ours for the algorithm's, and what to say of those that pass by. `InvalidRequest` for one that does not exist."""
    if unknown := sorted(given.keys() - NAMES.keys() - DERIVED - WITHOUT):
        raise InvalidRequest(f"image-classification has no hyperparameter {unknown[0]!r}")
    # Our momentum is Adam's beta_1 as well: the one of the two that the optimizer has counts.
    other = "momentum" if given.get("optimizer") == "adam" else "beta_1"
    ours: dict[str, Value] = {
        NAMES[name]: _value(name, value) for name, value in given.items() if name in NAMES and name != other
    }
    pretrained = _flag(given, "use_pretrained_model")
    ours["model"] = _network(given.get("num_layers", "152"))
    ours["weights"] = "auto" if pretrained else "none"
    # The algorithm fine-tunes all layers, and so do we; without an augmentation type it augments nothing.
    ours.setdefault("augmentation", "none")
    ours.setdefault("optimizer", "sgd")
    ours.setdefault("lr", "0.1")
    ours.setdefault("epochs", "30")
    ours["image-size"] = _side(given.get("image_shape", "3,224,224"))
    ours["schedule"] = "step" if given.get("lr_scheduler_step") else "constant"
    if steps := given.get("lr_scheduler_step"):
        ours["step-epochs"] = steps.split(",")[0]
    if _flag(given, "use_weighted_loss"):
        ours["class-weights"] = "weights"
    if not _flag(given, "early_stopping"):
        ours.pop("patience", None)
    notes = [f"{name}={given[name]} has no meaning here and passes by" for name in sorted(given.keys() & WITHOUT)]
    return ours, notes


def data_location(channels: Path) -> Path:
    """What the trainer reads: the channels' folder, which is a data set with splits, or a manifest beside them.

    Raises `BadData` naming the channel that is missing or cannot be read.
    """
    present = [name for name in SPLITS if (channels / name).is_dir()]
    if "train" not in present:
        raise BadData("image-classification needs the channel 'train'")
    for name in present:
        if record := next((path for path in (channels / name).rglob("*") if path.suffix in RECORDS), None):
            raise BadData(f"channel {name!r}: {record.name} is RecordIO, which is not read; give the images themselves")
    if not any((channels / f"{name}_lst").is_dir() for name in present):
        return channels
    rows = _in_order([row for name in present for row in _rows(channels, name)])
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("path", "label", "split"), *rows])
    write_bytes(channels / LISTED, text.getvalue().encode())
    return channels / LISTED


def _in_order(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Numbers as labels, written so that their order as text is theirs: label 10 is the eleventh class."""
    try:
        numbers = [float(label) for _, label, _ in rows]
    except ValueError:
        return rows
    if not all(number >= 0 and number.is_integer() for number in numbers):
        return rows
    width = len(str(int(max(numbers, default=0))))
    return [(path, f"{int(number):0{width}d}", split) for (path, _, split), number in zip(rows, numbers, strict=True)]


def main(words: Sequence[str] | None = None) -> int:
    """The job's program: the trainer's exit code, 2 for hyperparameters or data that cannot be."""
    keep_freed_memory()
    directory = JobDirectory(Path(os.environ["SAGEMAKER_BASE_DIR"]))
    try:
        given = {name: str(value) for name, value in parse_words(sys.argv[1:] if words is None else words).items()}
        ours, notes = hyperparameters_of(given)
        for note in notes:
            print(note)
        plan = TrainingPlan(
            name=os.environ["TRAINING_JOB_NAME"],
            directory=directory.root,
            data=DataPlan(location=str(data_location(directory.channels))),
            settings=Settings.from_environment(os.environ),
        )
        save_plan(directory.plan, plan_from(ours, plan))
    except TintypeError as error:
        directory.failure.write_text(str(error))
        print(f"failed: {error}", file=sys.stderr)
        return error.exit_code
    # Imported here, so that what is wrong is said before torch is loaded.
    from tintype.training.__main__ import narrator, run_once

    return run_once(directory.plan, True, narrator(directory.events))


def _value(name: str, value: str) -> str:
    tables = {"optimizer": OPTIMISERS, "augmentation_type": AUGMENTATIONS, "precision_dtype": PRECISIONS}
    table = tables.get(name)
    if table is None:
        return value
    if value not in table:
        raise InvalidRequest(f"hyperparameter {name!r} is one of {', '.join(table)} here, got {value!r}")
    return table[value]


def _network(layers: str) -> str:
    if layers in NETWORKS:
        return NETWORKS[layers]
    if layers.isdecimal() and 0 < int(layers) < 200:        # its networks for small images: 20, 32, 44, 56, 110
        return SMALLEST
    raise InvalidRequest(f"hyperparameter 'num_layers' is one of {', '.join(NETWORKS)}, or 20 to 110, got {layers!r}")


def _side(shape: str) -> str:
    parts = shape.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
        raise InvalidRequest(f"hyperparameter 'image_shape' is like 3,224,224, got {shape!r}")
    return max(parts[1:], key=int).strip()


def _flag(given: Mapping[str, str], name: str) -> bool:
    return given.get(name, "0").strip().lower() in ("1", "true")


def _rows(channels: Path, name: str) -> Iterator[tuple[str, str, str]]:
    lists = sorted((channels / f"{name}_lst").glob("*.lst"))
    if not lists:
        raise BadData(f"channel '{name}_lst' has no .lst file, and the other channel has a list")
    for file in lists:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            cells = line.split("\t")
            if len(cells) < 3:
                raise BadData(f"{file.name}, line {number}: expected index, label, path and tabs between, got {line!r}")
            yield f"{name}/{cells[-1].strip()}", cells[1].strip(), SPLITS[name]


if __name__ == "__main__":
    from tintype.training.__main__ import leave

    leave(main())
