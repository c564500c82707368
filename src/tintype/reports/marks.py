"""How good the final model is, as the training wrote it down: evaluation.json and the predictions of a split."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tintype.reports.evidence import SPLITS, Album
from tintype.reports.judging import Predictions, class_scores, most_wrong, wilson
from tintype.reports.run_report import Judgement, Missing, Mistake, Mistakes, Score
from tintype.reports.thumbnails import Thumbnails

MISTAKES_SHOWN = 24
MISTAKE_SIDE = 200                                          # pixels of the longer side
JUDGED_SPLITS = ("test", "valid")                           # the first that is there is the one to be quoted


def scores(evaluation: Mapping[str, Any]) -> tuple[Score, ...]:
    """The figures of every split that was evaluated."""
    return tuple(_score(split, one) for split in SPLITS if (one := evaluation.get(split)))


def _score(split: str, one: Mapping[str, Any]) -> Score:
    confusion = np.asarray(one["confusion"], dtype=np.int64)
    images, right = int(confusion.sum()), int(np.trace(confusion))
    low, high = wilson(right, images)
    accuracy = right / images if images else math.nan
    top5 = one.get("top5") if len(confusion) > 5 else None          # of five classes or fewer it is always 1
    return Score(split, images, accuracy, low, high, one.get("loss"), top5)


def judge(evaluation: Mapping[str, Any], classes: Sequence[str]) -> Judgement | Missing:
    """The confusion matrix and the classes of the split that is quoted."""
    split = next((one for one in JUDGED_SPLITS if evaluation.get(one)), None)
    if split is None:
        return Missing("There was neither a test nor a validation split to judge the model on.")
    confusion: NDArray[np.int64] = np.asarray(evaluation[split]["confusion"], dtype=np.int64)
    if confusion.shape != (len(classes), len(classes)):
        return Missing(f"The evaluation is about {len(confusion)} classes, the data set has {len(classes)} now.")
    return Judgement(split, confusion, class_scores(confusion, classes))


def read_predictions(path: Path, album: Album) -> Predictions | Missing:
    """What the model said of every image of a split."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            indices, labels = stored["indices"].astype(np.int64), stored["labels"].astype(np.int64)
            predictions = Predictions(indices, labels, np.nan_to_num(stored["probabilities"]))
    except FileNotFoundError:
        return Missing("The training kept no predictions, so single images cannot be looked at.")
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return Missing(f"{path.name} is not readable; it may be half written.")
    if not len(indices):
        return Missing("The split has no images.")
    if indices.max() >= len(album.paths):
        return Missing("The data set has changed since the training: the predictions are about other files.")
    return predictions


def mistakes(predictions: Predictions, split: str, album: Album, max_pixels: int) -> Mistakes:
    """The images it got most wrong. Reads them."""
    rows = most_wrong(predictions)
    thumbnails = Thumbnails(album.root, max_pixels)
    shown = tuple(_mistake(predictions, row, album, thumbnails) for row in rows[:MISTAKES_SHOWN].tolist())
    return Mistakes(split, len(rows), len(predictions.labels), shown)


def _mistake(predictions: Predictions, row: int, album: Album, thumbnails: Thumbnails) -> Mistake:
    file = album.paths[int(predictions.indices[row])]
    true, predicted = int(predictions.labels[row]), int(predictions.predicted[row])
    return Mistake(
        picture=thumbnails.make(file, MISTAKE_SIDE, "whole"),
        file=file,
        true=album.classes[true],
        predicted=album.classes[predicted],
        probability=float(predictions.probabilities[row, predicted]),
        probability_of_true=float(predictions.probabilities[row, true]),
    )
