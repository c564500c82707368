"""What the network answered at a step, and what it should have: the two inputs of a classification loss.

The hook saves the inputs of a loss under its name, `CrossEntropyLoss_input_0` (logits) and `…_input_1` (labels), for
functional losses too. A step has N samples of C classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np

from tintype.debugger.samples import IDS
from tintype.debugger.save_config import SaveConfig, SaveWindow
from tintype.rules.attached import whole
from tintype.rules.step_view import StepView

PREDICTED = re.compile(r"^(?P<loss>.*[Ll]oss)_input_0$")
# Losses of quantities and of likenesses, whose inputs are no scores of classes.
OF_NUMBERS = re.compile(
    r"(MSE|L1|Huber|Poisson\w*|Gaussian\w*|KLDiv|CTC|Embedding|Ranking|Triplet\w*|MultiLabel\w*|SoftMargin)Loss$"
)
SUM = 1e-3                              # by which a distribution may miss the sum of 1
SOFT = 0.99                             # a label whose largest part is less is a mixed one
OFTEN = SaveConfig.same(SaveWindow(interval=10, steps=tuple(range(1000))))
LOSS_INPUTS = whole("loss_inputs", r"[Ll]oss_input_[012]$", save_config=OFTEN)

Array = np.ndarray[Any, Any]


@final
@dataclass(frozen=True)
class Answers:
    """One batch. `scores` is float64 N×C as the loss was given them; `labels` is int64 N, in 0 .. C - 1."""

    loss: str                           # name of the loss, such as "CrossEntropyLoss"
    scores: Array
    labels: Array
    samples: tuple[str, ...] = ()       # identifiers of the images, when the log has them
    soft: bool = False                  # the labels were mixed or smoothed ones, and `labels` are the likeliest

    @classmethod
    def at(cls, step: StepView) -> Answers | None:
        """The answers at `step`; None when no loss of a classification was saved with its inputs."""
        return step.derived("answers", cls._at)

    @classmethod
    def _at(cls, step: StepView) -> Answers | None:
        for name in step.names(PREDICTED.pattern):
            match = PREDICTED.match(name)
            scores, labels = step.value(name), step.value(name.removesuffix("0") + "1")
            if match and scores is not None and labels is not None:
                answers = _answers(match["loss"], scores, labels, step)
                if answers is not None:
                    return answers
        return None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """How many classes the network knows."""
        return self.scores.shape[1]

    @cached_property
    def predicted(self) -> Array:
        """The class with the highest score, int64 N."""
        return self.scores.argmax(axis=1)

    @cached_property
    def probabilities(self) -> Array:
        """The softmax of the scores, N×C; rows with a score that is not finite are uniform."""
        scores = np.where(np.isfinite(self.scores).all(axis=1, keepdims=True), self.scores, 0.0)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    @cached_property
    def losses(self) -> Array:
        """The cross entropy of each sample in nats, N."""
        return -np.log(np.maximum(self.probabilities[np.arange(len(self)), self.labels], 1e-12))

    @property
    def right(self) -> float:
        """The share of samples whose predicted class is their label."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def skill(self) -> float:
        """The accuracy on a scale on which naming the most frequent class always is 0, and being right always 1."""
        chance = float(np.bincount(self.labels).max() / len(self))
        return (self.right - chance) / (1 - chance) if chance < 1 else 0.0


def newest(answers: Answers, count: int) -> Answers:
    """The last `count` samples of `answers`, or all there are."""
    cut = slice(max(0, len(answers) - count), None)
    return replace(answers, scores=answers.scores[cut], labels=answers.labels[cut], samples=answers.samples[cut])


def _logits(probabilities: Array) -> Array:
    """Scores of which 0 is in between, as those of other losses are."""
    inside = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(inside / (1 - inside))


def joined(parts: list[Answers]) -> Answers:
    """Several batches as one. `parts` is not empty and of one network."""
    samples = tuple(one for part in parts for one in part.samples)
    return Answers(
        parts[0].loss,
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
        samples if len(samples) == sum(map(len, parts)) else (),
        any(part.soft for part in parts),
    )


def _answers(loss: str, scores: Array, labels: Array, step: StepView) -> Answers | None:
    labels = np.asarray(labels)
    if loss.endswith("BCELoss"):
        scores = _logits(scores)
    if OF_NUMBERS.search(loss):
        return None
    soft = f"{loss}_input_2" in step.names()                                    # the same answers, judged by two labels
    if scores.ndim == 1 or (scores.ndim == 2 and scores.shape[1] == 1):         # one score, of two classes
        flat, labels = scores.reshape(-1, 1).astype(np.float64), labels.reshape(-1)
        alike = labels.size and labels.min() == labels.max()
        if labels.size and (labels.min() < 0 or labels.max() > 1):
            return None                                                         # a quantity
        if alike and (soft or step.log.has(f"{loss}_input_2")):
            return None                                                         # real against forged
        scores, labels = np.concatenate([np.zeros_like(flat), flat], axis=1), labels.round()
    if labels.ndim == 2 and labels.shape == scores.shape:
        if labels.min(initial=0) < 0 or np.any(np.abs(labels.sum(axis=1) - 1) > SUM):
            return None                                                         # several answers for each image
        soft = soft or bool(np.any(labels.max(axis=1) < SOFT))
        labels = labels.argmax(axis=1)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        return None
    labels = labels.astype(np.int64)
    known = (labels >= 0) & (labels < scores.shape[1])                          # -100 is "ignore"
    ids = step.value(IDS)
    samples = np.asarray(ids).astype(str)[known] if ids is not None and np.shape(ids) == labels.shape else ()
    if not known.any():
        return None
    return Answers(loss, scores[known].astype(np.float64), labels[known], tuple(samples), soft)
