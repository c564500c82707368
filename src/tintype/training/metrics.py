"""How well a network did: loss, accuracy, top-5, precision and recall per class, the confusion matrix.

Batches are added as tensors and stay on their device; the first read at the end of an epoch is the only time the
processor waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

TOP = 5


@final
@dataclass(frozen=True, eq=False)
class Score:
    """Of n images. Accuracies are shares in 0..1; `confusion` is (classes, classes) int64, rows true, columns said."""

    loss: float
    accuracy: float
    top5: float
    confusion: NDArray[np.int64]

    @property
    def figures(self) -> dict[str, float]:
        """The three numbers by name."""
        return {"loss": self.loss, "accuracy": self.accuracy, "top5": self.top5}

    def per_class(self, classes: tuple[str, ...]) -> list[dict[str, Any]]:
        """precision, recall, f1 (0..1; 0 where undefined) and support (images) of every class."""
        hits = self.confusion.diagonal().astype(float)
        support, said = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        precision, recall = hits / np.maximum(said, 1), hits / np.maximum(support, 1)
        f1 = 2 * hits / np.maximum(said + support, 1)
        columns = zip(classes, precision.tolist(), recall.tolist(), f1.tolist(), support.tolist(), strict=True)
        return [
            {"class": name, "precision": p, "recall": r, "f1": f, "support": n} for name, p, r, f, n in columns
        ]

    def to_json(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """All of it as plain values."""
        return {**self.figures, "per_class": self.per_class(classes), "confusion": self.confusion.tolist()}


@final
class Meter:
    """The training metrics of an epoch, batch by batch."""

    def __init__(self) -> None:
        self._rows: list[Tensor] = []

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """A batch: mean loss (scalar), logits (n, classes), labels (n,). Nothing is read back from the device."""
        self._rows.append(answer_rows(loss, logits, labels))

    def take(self) -> Tensor:
        """(n, 4) rows as `score` takes them, of all batches since the last time."""
        rows = torch.cat(self._rows)
        self._rows = []
        return rows

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"rows": torch.cat(self._rows) if self._rows else None}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """The inverse of `state_dict`."""
        self._rows = [] if state_dict["rows"] is None else [state_dict["rows"]]


def answer_rows(loss: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """(n, 4) float32: the batch's loss, the label, the answer, and how many classes were rated above the label."""
    logits = logits.detach()
    ahead = (logits > logits.gather(1, labels[:, None])).sum(dim=1)
    columns = (loss.detach().expand(len(labels)), labels, logits.argmax(dim=1), ahead)
    return torch.stack([column.to(torch.float32) for column in columns], dim=1)


def score(rows: Tensor, classes: int) -> Score:
    """The score of rows (n, 4) as `answer_rows` makes them."""
    loss, labels, answers, ahead = rows.double().cpu().numpy().T
    return Score(
        loss=float(loss.mean()),
        accuracy=float((labels == answers).mean()),
        top5=float((ahead < TOP).mean()),
        confusion=confusion(labels.astype(np.int64), answers.astype(np.int64), classes),
    )


def score_logits(logits: Tensor, labels: Tensor) -> Score:
    """The score of an evaluation: logits (n, classes) float32, labels (n,); the loss is plain cross-entropy."""
    return score(answer_rows(F.cross_entropy(logits, labels), logits, labels), logits.shape[1])


def confusion(labels: NDArray[np.int64], answers: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(classes, classes) counts: row the true class, column the answer."""
    return np.bincount(labels * classes + answers, minlength=classes * classes).reshape(classes, classes)


def metrics_of(scores: Mapping[str, Score], rate: float) -> dict[str, float]:
    """The metrics of an epoch by their full names: "train:loss", ..., "lr"."""
    named = {f"{mode}:{name}": value for mode, score in scores.items() for name, value in score.figures.items()}
    return named | {"lr": rate}
