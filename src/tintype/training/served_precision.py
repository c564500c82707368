"""The trained network in 8-bit integers as well, and what they cost: measured before the archive is sealed.

    network in floats (ONNX) → integers, calibrated on training images → both judged on validation images

Serving decides by what is written down here (`tintype.serving.runtimes.precision`). All images are as evaluation
and serving see them. It takes as long as some hundred images through the network, and only jobs that write an archive
do it.

A drop of half a point cannot be counted on few images: on sixty, one picture is 1.7 points. So the drop is also worked
out from how much the integers disturb the logits and how close to each other the logits are, which takes no luck.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tintype.datasets.images import read_image_file
from tintype.errors import Unsupported
from tintype.models.archive import PrecisionRecord
from tintype.models.network_input import network_input
from tintype.models.pixel_blocks import PixelBlocks
from tintype.models.processor import INTEGER_FLAGS, cpu_flags
from tintype.storage import write_bytes
from tintype.training.evaluation import Evaluation
from tintype.training.quantisation import open_session, quantise
from tintype.training.session import Session

CALIBRATION_IMAGES, CALIBRATION_BATCH = 32, 4       # all tensors of a batch are in memory at once
JUDGED_PIXELS = 500 * 224 * 224                     # at most, but at least so many images:
LEAST_JUDGED, LEAST_ANSWERABLE = 200, 20            # with fewer than the latter, nothing can be said
BATCH_PIXELS = 8 * 224 * 224    # per forward pass, on one core
SAMPLED_IMAGES = 16             # for the time of floats, and for what halves change
CAUTION = 2.0                   # what a sample shows of a disturbance, others may exceed

Images = NDArray[np.float32]    # (n, 3, s, s), normalised


@final
@dataclass(frozen=True, eq=False)
class Answers:
    """Logits (n, classes) float32, and milliseconds of one core per image."""

    logits: Tensor
    milliseconds: float


def add_integers(session: Session, floats: Path, path: Path, evaluation: Evaluation) -> PrecisionRecord:
    """Write the network of the ONNX file `floats` in integers to `path`, and measure both on the validation split.

    `evaluation` is of that network, on that split. When integers are not possible, or cannot be judged, nothing is
    written and the record's `reason` says why. Raises `StorageFailed` when the disk is full.
    """
    if not cpu_flags() & INTEGER_FLAGS:
        return PrecisionRecord(reason="the processor it was trained on has no instructions for 8-bit integers")
    side = session.material.preprocessing.size
    positions = _evenly(len(evaluation.split), max(JUDGED_PIXELS // side**2, LEAST_JUDGED))
    if len(positions) < LEAST_ANSWERABLE:
        return PrecisionRecord(reason=f"{len(positions)} validation images are too few to judge integers on")
    shown = calibration_images(session)
    content = floats.read_bytes()
    batches = np.split(shown, range(CALIBRATION_BATCH, len(shown), CALIBRATION_BATCH))
    try:
        integers = quantise(content, batches, session.place.threads, session.material.preprocessing)
    except Unsupported as problem:
        return PrecisionRecord(reason=str(problem))
    found = run(session, integers.content, evaluation, positions, integers.blocks)
    exact = in_floats(session, content, evaluation, positions)
    labels = torch.from_numpy(evaluation.split.labels[positions])
    write_bytes(path, integers.content)
    return PrecisionRecord(
        images=len(positions),
        calibrated_on=len(shown),
        fp32_accuracy=_accuracy(exact.logits, labels),
        int8_accuracy=_accuracy(found.logits, labels),
        expected_drop=expected_drop(exact.logits, found.logits),
        fp32_milliseconds=round(exact.milliseconds, 3),
        int8_milliseconds=round(found.milliseconds, 3),
        blocks=integers.blocks,
    )


def calibration_images(session: Session) -> Images:
    """Training images, evenly spread, decoded anew: the cache may hold them uncropped."""
    material, limit = session.material, session.plan.settings.max_image_pixels
    indices = material.train.indices[_evenly(len(material.train), CALIBRATION_IMAGES)]
    files = (read_image_file(material.dataset.file(int(index)), limit) for index in indices)
    return material.preprocessing.normalise(np.stack([material.preprocessing.decode(one, limit) for one in files]))


def run(
    session: Session,
    content: bytes,
    evaluation: Evaluation,
    positions: NDArray[np.int64],
    blocks: PixelBlocks | None = None,
) -> Answers:
    """What an ONNX network says of images of the split: a thread per core, each with one thread of ONNX Runtime.

    `blocks` are those of a network that takes pixels.
    """
    network = open_session(content, threads=1)
    split, preprocessing = evaluation.split, session.material.preprocessing
    layout = network_input(preprocessing, blocks)

    def answer(part: NDArray[np.int64]) -> tuple[NDArray[np.float32], float]:
        images = layout.empty(len(part))
        for row, pixels in zip(images, split.cache.gather(split.rows[part]), strict=True):
            layout.put_pixels(row, pixels)
        began = time.thread_time()
        return np.asarray(network.run(None, {layout.name: images})[0]), time.thread_time() - began

    size = max(BATCH_PIXELS // preprocessing.size**2, 1)
    with ThreadPoolExecutor(session.place.threads) as pool:
        parts = list(pool.map(answer, _parts(positions, size)))
    seconds = sum(spent for _, spent in parts)
    return Answers(torch.from_numpy(np.concatenate([one for one, _ in parts])), 1e3 * seconds / len(positions))


def expected_drop(exact: Tensor, found: Tensor) -> float:
    """By how much accuracy should fall when logits `exact` (n, classes) become `found`, as a share; 0 or more.

    For each image and each class other than its likeliest: the chance that a disturbance as large as those seen turns
    the two around, times what that loses if the probabilities are right. Needs no labels. Sure of itself, as networks
    that have seen much of their data are, makes it larger.
    """
    disturbed = found - exact
    spread = disturbed.var(dim=1, correction=1).mean().mul(2).sqrt()        # of the difference of two logits
    best = exact.argmax(dim=1, keepdim=True)
    margins = exact.gather(1, best) - exact                                 # (n, classes), 0 for the likeliest
    probabilities = exact.softmax(dim=1)
    turned = torch.special.ndtr(-margins / spread.clamp(min=1e-12))
    return float((turned * (probabilities.gather(1, best) - probabilities)).sum(dim=1).mean())


def in_floats(session: Session, content: bytes, evaluation: Evaluation, positions: NDArray[np.int64]) -> Answers:
    """The answers in float32: the evaluation's own, or, when those are in halves, its own where they leave no doubt.

    Halves disturb logits by little, floats cost three times as much as integers. How little is measured on a sample;
    an image whose two likeliest classes are closer than that could make them goes through ONNX Runtime. The rest of the
    logits are off by the halves' rounding, which makes `expected_drop` larger, if anything.
    """
    known = evaluation.logits[torch.from_numpy(positions)]
    sample = _evenly(len(positions), SAMPLED_IMAGES)
    asked = run(session, content, evaluation, positions[sample])
    if session.place.half is None:
        return Answers(known, asked.milliseconds)
    exact = known.clone()
    exact[sample] = asked.logits
    rest = np.setdiff1d(doubtful(known, float((asked.logits - known[sample]).abs().max())), sample)
    if len(rest):
        exact[rest] = run(session, content, evaluation, positions[rest]).logits
    return Answers(exact, asked.milliseconds)


def doubtful(known: Tensor, disturbance: float) -> NDArray[np.int64]:
    """The rows of logits (n, classes) whose likeliest class might be another, if each is off by `disturbance`."""
    best = known.topk(min(2, known.shape[1]), dim=1).values
    sure = best[:, 0] - best[:, -1] > 2 * CAUTION * disturbance         # never so when that is not a number
    return np.flatnonzero(~sure.numpy()) if known.shape[1] > 1 else np.zeros(0, np.int64)


def _accuracy(answers: Tensor, labels: Tensor) -> float:
    return float((answers.argmax(dim=1) == labels).double().mean())


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of `count` positions, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64)) if count else np.zeros(0, np.int64)


def _parts(positions: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    return (positions[start : start + size] for start in range(0, len(positions), size))
