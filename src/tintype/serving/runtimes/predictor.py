"""A model that answers: the archive's preprocessing, then its network.

The same object serves HTTP and answers `tintype predict` without a server, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np

from tintype.datasets.images import MAX_PIXELS
from tintype.datasets.transforms import Preprocessing
from tintype.errors import BadArchive, InvalidRequest, lines_of
from tintype.models.archive import Archive, open_archive, open_unpacked
from tintype.models.network_input import network_input
from tintype.serving.content.inputs import EncodedImage, ImageUrl, Input, Pixels
from tintype.serving.content.predictions import Predictions
from tintype.serving.runtimes.runtime import Opened, open_runtime

BATCH = 32                  # pictures that go through the network at once; more need more memory and no less time


@final
class Predictor:
    """Pictures to probabilities. Several threads may call it at once."""

    def __init__(self, archive: Archive, opened: Opened, max_pixels: int = MAX_PIXELS) -> None:
        self.archive = archive
        self.runtime_name = opened.name
        self.choice = opened.choice             # of numbers, and why
        self._runtime = opened.runtime
        self._preprocessing = preprocessing = _preprocessing(archive)
        self.input = network_input(preprocessing, opened.blocks)
        self._max_pixels = max_pixels

    @classmethod
    def open(
        cls,
        archive: Path,
        directory: Path,
        *,
        runtime: str | None = None,
        threads: int = 0,
        max_pixels: int = MAX_PIXELS,
    ) -> Predictor:
        """Load a model.tar.gz, unpacked to the new `directory`, or a folder that one was unpacked to.

        `runtime` is what `runtime.open_runtime` takes ("openvino:bf16"); `threads` 0 means one per core; pictures
        over `max_pixels` are refused. The network has answered once when this returns. Raises `BadArchive`, `NotFound`.
        """
        opened = open_unpacked(archive) if archive.is_dir() else open_archive(archive, directory)
        return cls.of(opened, runtime=runtime, threads=threads, max_pixels=max_pixels)

    @classmethod
    def of(
        cls, archive: Archive, *, runtime: str | None = None, threads: int = 0, max_pixels: int = MAX_PIXELS
    ) -> Predictor:
        """Load an archive that has been checked. Otherwise as `open`."""
        predictor = cls(archive, open_runtime(archive, threads, runtime), max_pixels)
        predictor._warm_up()
        return predictor

    @property
    def callers_core(self) -> frozenset[int]:
        """The processors for a thread that alone calls this, and does nothing else; empty: any."""
        return self._runtime.callers_core

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the network's outputs."""
        return self.archive.description.classes

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(3, size, size): what one picture becomes."""
        return 3, self._preprocessing.size, self._preprocessing.size

    @property
    def preprocessing(self) -> Preprocessing:
        """How a picture becomes what the network is fed."""
        return self._preprocessing

    def prepare(self, inputs: Sequence[Input]) -> np.ndarray:
        """Decode, scale and lay out as the network reads it: (n, ...). `BadImage`, `TooLarge`, `InvalidRequest`."""
        return np.concatenate([self._prepared(one) for one in inputs])

    def infer(self, images: np.ndarray) -> Predictions:
        """Run the network on what `prepare` returned. `InvalidRequest` when an odd tensor makes it overflow."""
        chunks = [self.logits(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
        logits = np.concatenate(chunks).astype(np.float32, copy=False)
        if not np.isfinite(logits).all():
            row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
            raise InvalidRequest(f"the network's answer for picture {row} is not finite; send values it was trained on")
        return Predictions(self.classes, logits)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """What the network says of one batch in the layout of `input`: (n, classes), whatever it is."""
        return self._runtime.logits(images)

    def predict(self, contents: Sequence[bytes]) -> Predictions:
        """The answers for some image files, given as their bytes."""
        return self.infer(self.prepare([EncodedImage(content) for content in contents]))

    def _prepared(self, one: Input) -> np.ndarray:
        if isinstance(one, EncodedImage):
            return self._laid_out([self._preprocessing.decode(one.content, self._max_pixels)])
        if isinstance(one, Pixels):
            return self._laid_out([self._preprocessing.apply(rgb) for rgb in one.rgb])
        if isinstance(one, ImageUrl):
            raise InvalidRequest(f"{one.url[:100]!r} is fetched by nobody here; send the picture itself")
        if one.values.shape[1:] != self.input_shape:
            raise InvalidRequest(f"this model takes tensors of shape {self.input_shape}, got {one.values.shape[1:]}")
        batch = self.input.empty(len(one.values))
        for row, tensor in zip(batch, one.values, strict=True):
            self.input.put_tensor(row, tensor)
        return batch

    def _laid_out(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        batch = self.input.empty(len(pictures))
        for row, rgb in zip(batch, pictures, strict=True):
            self.input.put_pixels(row, rgb)
        return batch

    def _warm_up(self) -> None:
        grey = self.input.empty(1)
        self.input.put_tensor(grey[0], np.zeros(self.input_shape, np.float32))
        try:
            logits = self._runtime.logits(grey)
        except Exception as error:      # runtimes raise what they like
            reason = " ".join(lines_of(error))
            raise BadArchive(f"the network cannot be run on a grey picture: {reason}; train it again") from error
        if logits.shape != (1, len(self.classes)) or not np.isfinite(logits).all():
            raise BadArchive(
                f"the network answers a grey picture with {logits.dtype} {logits.shape}, "
                f"not with {len(self.classes)} finite numbers; train it again"
            )


def _preprocessing(archive: Archive) -> Preprocessing:
    description = archive.description
    try:
        preprocessing = Preprocessing.from_json(description.preprocessing)
    except InvalidRequest as error:
        raise BadArchive(f"the archive's description is wrong: {error}") from error
    if preprocessing.size != description.image_size:
        raise BadArchive(
            f"the archive's pictures are {preprocessing.size} px and its network takes {description.image_size} px"
        )
    return preprocessing
