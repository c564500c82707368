"""A staged run: the files that a training leaves, with figures that are plausible, odd or hostile as a test wants."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tintype.reports.evidence import (
    Album,
    Endpoint,
    HyperparameterRange,
    Model,
    RunEvidence,
    TrialEvidence,
    TrialState,
    TuningEvidence,
)

Stage = Callable[..., RunEvidence]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """`stage_run` below a fresh directory."""
    return lambda **wanted: stage_run(tmp_path, **wanted)


def stage_run(
    directory: Path,
    *,
    classes: Sequence[str] = ("ants", "bees"),
    album: Album | None = None,
    epochs: int = 4,
    trials: int = 8,
    accuracy: float = 0.9,
    judged: Sequence[str] = ("valid", "test"),
    **changes: Any,
) -> RunEvidence:
    """A run with everything in it. `changes` replace fields of the evidence."""
    album = album or draw_album(directory / "images", classes)
    job = directory / "job"
    metrics = write_outputs(job / "output" / "data", album, epochs, accuracy, judged)
    evidence: dict[str, Any] = {
        "name": "demo-20261121",
        "made_at": 1_795_248_720.0,
        "seconds": 13.4,
        "location": str(album.root),
        "command": f"tintype run {album.root} --model resnet18 --trials {trials}",
        "seed": 0,
        "model": Model("resnet18", "backbone", "torchvision resnet18-f37072fd.pth", 224),
        "album": album,
        "training_directory": job,
        "result": {
            "metrics": metrics,
            "best_epoch": max(1, epochs - 1),
            "hyperparameters": {
                "lr": 0.0131, "batch-size": 64, "epochs": epochs, "optimizer": "adamw", "weights": None, "mixup": 0.0,
            },
            "quarantined": [{"path": "train/ants/imageNotFound.gif", "reason": "it is an animated GIF of 1 × 1 pixel"}],
            "archive": str(job / "model.tar.gz"),
        },
        "check": check_document(album),
        "tuning": stage_tuning(trials) if trials else None,
        "phases": {"check the data": 1.2, "decode images": 0.9, "compute features": 8.1, "trials": 1.1, "train": 0.7},
        "endpoint": Endpoint("demo", "http://127.0.0.1:8401"),
        "environment": {"python": "3.12.8", "torch": "2.15.0", "tintype": "0.1.0", "cores": "2"},
    }  # fmt: skip
    return RunEvidence(**{**evidence, **changes})


def draw_album(root: Path, classes: Sequence[str], each: int = 6) -> Album:
    """`each` small JPEGs of one colour for every class; two thirds to train on, the rest in valid and test."""
    paths: list[str] = []
    labels: list[int] = []
    for label in range(len(classes)):
        for n in range(each):
            path = Path(f"class-{label}") / f"{n}.jpg"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), (37 * label % 256, 40 * n % 256, 120)).save(root / path)
            paths.append(str(path))
            labels.append(label)
    splits = np.array([(0, 0, 1, 2)[n % 4] for n in range(len(paths))], dtype=np.uint8)
    labels_array = np.array(labels, dtype=np.int32)
    return Album(root, paths, labels_array, splits, tuple(classes), "class folders", ("split, seed 0",))


def write_outputs(data: Path, album: Album, epochs: int, accuracy: float, judged: Sequence[str]) -> dict[str, Any]:
    """history.json, evaluation.json and the predictions; returns the metrics of the result."""
    data.mkdir(parents=True, exist_ok=True)
    evaluation: dict[str, Any] = {}
    for split in judged:
        indices = np.flatnonzero(album.splits == ("train", "valid", "test").index(split))
        labels = album.labels[indices]
        probabilities = predict(labels, len(album.classes), accuracy)
        path = data / f"predictions-{split}.npz"
        np.savez(path, indices=indices, labels=labels, probabilities=probabilities)
        evaluation[split] = evaluate(labels, probabilities)
    (data / "evaluation.json").write_text(json.dumps(evaluation))
    (data / "history.json").write_text(json.dumps([epoch_entry(n, epochs) for n in range(1, epochs + 1)]))
    return {split: {key: one[key] for key in ("loss", "accuracy")} for split, one in evaluation.items()}


def epoch_entry(n: int, epochs: int) -> dict[str, Any]:
    """One epoch of a training that goes well."""
    metrics = {
        "train:loss": 0.9 * math.exp(-0.5 * n) + 0.12, "train:accuracy": 1 - 0.42 * math.exp(-0.62 * n),
        "valid:loss": 0.8 * math.exp(-0.6 * n) + 0.2, "valid:accuracy": 0.95 - 0.35 * math.exp(-0.7 * n), "lr": 0.01,
    }  # fmt: skip
    return {"epoch": n, "epochs": epochs, "metrics": metrics, "seconds": 0.02}


def predict(labels: NDArray[np.int32], classes: int, accuracy: float) -> NDArray[np.float32]:
    """(n, classes) probabilities; a share of `accuracy` has the true class on top."""
    random = np.random.default_rng(7)
    logits = random.normal(0, 1, (len(labels), classes))
    favoured = np.where(random.random(len(labels)) < accuracy, labels, (labels + 1) % classes)
    logits[np.arange(len(labels)), favoured] += random.uniform(1.5, 6, len(labels))
    exponentials = np.exp(logits)
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


def evaluate(labels: NDArray[np.int32], probabilities: NDArray[np.float32]) -> dict[str, Any]:
    """The entry of one split in evaluation.json."""
    classes = probabilities.shape[1]
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels, probabilities.argmax(axis=1)), 1)
    right = float(np.trace(confusion) / max(len(labels), 1))
    return {"loss": 0.21, "accuracy": right, "top5": 1.0, "confusion": confusion.tolist(), "per_class": []}


def stage_tuning(count: int) -> TuningEvidence:
    """A search over three hyperparameters; every seventh trial is stopped, every eleventh fails."""
    random = np.random.default_rng(3)
    ranges = (
        HyperparameterRange("lr", 0.001, 0.1, logarithmic=True),
        HyperparameterRange("batch-size", values=(16, 64, 256)),
        HyperparameterRange("epochs", 2, 4, whole=True),
    )
    trials = tuple(stage_trial(n, random) for n in range(1, count + 1))
    importance = {"lr": 0.75, "batch-size": 0.2, "epochs": 0.05} if count >= 10 else {}
    note = "" if importance else f"{count} trials have completed; importance needs at least 10"
    return TuningEvidence("valid:accuracy", True, "Bayesian", ranges, trials, importance, note)


def stage_trial(number: int, random: np.random.Generator) -> TrialEvidence:
    """A trial that does best near a learning rate of 0.01."""
    lr = float(10 ** random.uniform(-3, -1))
    settings = {"lr": lr, "batch-size": (16, 64, 256)[number % 3], "epochs": int(random.integers(2, 5))}
    value = float(0.95 - 0.09 * (math.log10(lr) + 2) ** 2 - random.uniform(0, 0.03))
    state = TrialState.FAILED if number % 11 == 0 else TrialState.STOPPED if number % 7 == 0 else TrialState.COMPLETED
    began = 1_795_248_700.0 + 0.4 * number
    return TrialEvidence(
        number, f"demo-{number:03d}-0badcafe", settings, state,
        value=None if state is TrialState.FAILED else value,
        started_at=began, ended_at=began + 0.3,
        history=tuple(value - 0.2 * math.exp(-n) for n in range(4)),
        reason="the loss became NaN in epoch 2" if state is TrialState.FAILED else "",
    )  # fmt: skip


def check_document(album: Album) -> dict[str, Any]:
    """What `CheckReport.to_json()` says of a set with three problems."""
    first, second, third = album.paths[:3]
    return {
        "classes": list(album.classes),
        "images": len(album.paths),
        "formats": {"JPEG": len(album.paths) - 1, "PNG": 1},
        "sizes": {
            "width": {"p0": 30, "p50": 40, "p100": 90},
            "height": {"p0": 30, "p50": 30, "p100": 30},
            "bytes": {"p0": 700, "p50": 109_471, "p100": 2_101_669},
        },
        "problems": [
            {
                "kind": "truncated", "severity": "error", "title": "images that end too early", "count": 1,
                "files": ["gone.jpg"], "details": ["gone.jpg: cut off"], "groups": [], "advice": "Get them again.",
            },
            {
                "kind": "duplicate-across-splits", "severity": "warning", "title": "the same file in two splits",
                "count": 2, "files": [first, second], "details": [f"{first} = {second}"], "groups": [[first, second]],
                "advice": "Delete the copies from all splits but one.",
            },
            {
                "kind": "rotated", "severity": "note", "title": "photographs to be turned upright", "count": 1,
                "files": [third], "details": [third], "groups": [], "advice": "They are turned when they are read.",
            },
        ],
    }  # fmt: skip
