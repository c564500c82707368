"""What a job leaves in its directory, in SageMaker's layout.

    <directory>/
      model/{description.json, model.safetensors, model.onnx, model.int8.onnx}    when the plan's `save` is "archive"
      model.tar.gz                                                likewise
      output/data/history.json                [{"epoch", "metrics", "seconds", "train": {...}, "valid": {...}}, ...]
      output/data/evaluation.json             {split: {loss, accuracy, top5, confusion, per_class}}
      output/data/predictions-<split>.npz     indices (n,), labels (n,), probabilities (n, classes) float32
      output/result.json                      the `TrainingResult`, when it did not fail
      output/failure                          the reason, when it failed
      checkpoints/{last.pt, best.pt}

Used by both ways of training. Nothing here knows how the network was trained.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import timm
import torch
from torch import nn

from tintype.models import archive
from tintype.models.archive import Description, PrecisionRecord, TrainingRecord
from tintype.models.export import export_onnx
from tintype.models.networks import Network
from tintype.storage import atomic_file, write_bytes, write_json
from tintype.training.evaluation import Evaluation
from tintype.training.events import Epoch, TrainingResult, Warning, result_json
from tintype.training.hyperparameters import values_of
from tintype.training.metrics import Score
from tintype.training.optimisers import weight_decay
from tintype.training.served_distribution import served_distribution
from tintype.training.session import Session

LARGEST_CONFUSION = 100     # classes; the history leaves out larger matrices, the evaluation never does


def epoch_entry(event: Epoch, scores: Mapping[str, Score], classes: tuple[str, ...]) -> dict[str, Any]:
    """One epoch for the history: the event, and per mode the table per class and the confusion matrix."""
    entry: dict[str, Any] = {"epoch": event.epoch, "metrics": dict(event.metrics), "seconds": event.seconds}
    for mode, score in scores.items():
        entry[mode] = {"per_class": score.per_class(classes)}
        if len(classes) <= LARGEST_CONFUSION:
            entry[mode]["confusion"] = score.confusion.tolist()
    return entry


def write_history(session: Session, history: Sequence[Mapping[str, Any]]) -> None:
    """Write history.json. This happens after every epoch, so it is not forced to the disk."""
    if session.host.world.leads:
        write_json(session.plan.directory / "output" / "data" / "history.json", list(history), durable=False)


def write_result(result: TrainingResult, directory: Path) -> None:
    """Write output/result.json."""
    write_json(directory / "output" / "result.json", result_json(result), durable=False)


def write_failure(directory: Path, reason: str) -> None:
    """Write output/failure."""
    write_bytes(directory / "output" / "failure", reason.encode() + b"\n")


def write_evaluations(session: Session, evaluations: Sequence[Evaluation]) -> None:
    """Write evaluation.json and, per split, the predictions."""
    data = session.plan.directory / "output" / "data"
    table = {one.split.name: one.score.to_json(session.classes) for one in evaluations}
    write_json(data / "evaluation.json", table, durable=False)
    for one in evaluations:
        with atomic_file(data / f"predictions-{one.split.name}.npz", durable=False) as stream:
            np.savez(
                stream,
                indices=one.split.indices,
                labels=one.split.labels,
                probabilities=one.probabilities.numpy(),
            )


def conclude(
    session: Session,
    network: Network | None,
    evaluations: Sequence[Evaluation],
    *,
    best_epoch: int,
    epochs: int,
    stopped: bool = False,
) -> TrainingResult:
    """Write evaluations and, for `save` "archive", the model; returns the job's result.

    `evaluations` are of the best weights, which `network` holds, on validation first; without a network there is no
    archive. Only the rank that leads writes.
    """
    plan = session.plan
    scores: dict[str, dict[str, float] | None] = {"valid": None, "test": None}
    scores |= {one.split.name: one.score.figures for one in evaluations}
    path = None
    if session.host.world.leads:
        write_evaluations(session, evaluations)
        if plan.save == "archive" and network is not None:
            path = write_archive(session, network, scores, evaluations[0])
    return TrainingResult(
        name=plan.name,
        metrics=scores,
        best_epoch=best_epoch,
        epochs=epochs,
        seconds=round(session.phases.elapsed, 4),
        phases={name: round(seconds, 4) for name, seconds in session.phases.seconds.items()},
        quarantined=session.material.quarantined,
        archive=None if path is None else str(path),
        hyperparameters=hyperparameters(session),
        stopped=stopped,
    )


def hyperparameters(session: Session) -> dict[str, Any]:
    """All hyperparameters as they were used: those that the plan left open are filled in."""
    return values_of(session.plan) | {
        "lr": session.learning_rate,
        "weight-decay": weight_decay(session.plan.optimiser),
        "image-size": session.material.preprocessing.size,
        "precision": session.place.precision,
    }


def write_archive(
    session: Session, network: Network, metrics: Mapping[str, Mapping[str, float] | None], valid: Evaluation
) -> Path:
    """Write model/ and model.tar.gz; returns the latter. A network that ONNX cannot say goes without it.

    `valid` is what `network` says of the validation split.
    """
    directory = session.plan.directory
    model = directory / "model"
    module = network.module.to("cpu", memory_format=torch.contiguous_format).eval()     # pyright: ignore[reportCallIssue]
    with session.phases("write the archive"):
        files = {archive.WEIGHTS: _write_weights(model / archive.WEIGHTS, module)}
        onnx = _write_onnx(session, module, model / archive.ONNX)
        if onnx is not None:
            files[archive.ONNX] = onnx
    precision = _write_integers(session, onnx, model / archive.INTEGERS, valid)
    if precision is not None and not precision.reason:
        files[archive.INTEGERS] = model / archive.INTEGERS
    with session.phases("write the archive"):
        told = {**metrics, **served_distribution(valid, session.classes)}
        sealed = archive.write(directory / "model.tar.gz", _description(session, network, told, precision), files)
        archive.write_description(model, sealed)
    return directory / "model.tar.gz"


def _write_weights(path: Path, module: nn.Module) -> Path:
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in module.state_dict().items()}
    write_bytes(path, safetensors.torch.save(tensors))
    return path


def _write_onnx(session: Session, module: nn.Module, path: Path) -> Path | None:
    export = export_onnx(module, session.material.preprocessing.size, path, len(session.classes))
    if export.reason is not None:
        session.emit(Warning(f"{export.reason}; the archive is served by torch"))
    return export.path


def _write_integers(session: Session, onnx: Path | None, path: Path, valid: Evaluation) -> PrecisionRecord | None:
    """The network in integers, and what they cost; None without ONNX."""
    # Imported here: ONNX Runtime starts a thread when it is, and processes are forked that have us imported.
    from tintype.training.served_precision import add_integers

    path.unlink(missing_ok=True)        # of a job that was resumed
    if onnx is None:
        return None
    with session.phases("quantise"):
        return add_integers(session, onnx, path, valid)


def _description(
    session: Session,
    network: Network,
    metrics: Mapping[str, Mapping[str, float] | None],
    precision: PrecisionRecord | None,
) -> Description:
    return Description(
        network=network.name,
        classes=session.classes,
        image_size=session.material.preprocessing.size,
        preprocessing=session.material.preprocessing.to_json(),
        metrics={split: dict(figures) for split, figures in metrics.items() if figures is not None},
        versions={
            "tintype": version("tintype"),
            "torch": torch.__version__,
            "timm": timm.__version__,
            "python": platform.python_version(),
        },
        training=TrainingRecord(
            job=session.plan.name,
            hyperparameters={name: value for name, value in hyperparameters(session).items() if value is not None},
            seed=session.plan.seed,
            weights=session.weights.source,
        ),
        precision=precision,
    )
