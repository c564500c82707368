"""The pooled features of every view that a frozen backbone will see, computed once and shared by all trials.

    images (uint8, cached) → view: as it is, or flipped → frozen network → features, a matrix on the disk

Views of training images are the identity and, when the plan flips, the mirror image; the other splits have the
identity only. Each matrix is known by the images' cache key, the network, its weights, the view and the precision.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from tintype.errors import Unsupported
from tintype.models.networks import Network
from tintype.training import feature_cache
from tintype.training.events import Note
from tintype.training.extractors import (
    LARGEST_BATCH,
    Choice,
    Circumstances,
    FeatureExtractor,
    Precision,
    choices,
    circumstances,
)
from tintype.training.feature_cache import FeatureMatrix, MatrixRequest, Rows
from tintype.training.material import Split
from tintype.training.session import Session
from tintype.training.steps import Piece

FORMAT = 2                  # of what goes into a key
IDENTITY, FLIPPED = "identity", "flipped"
SAMPLES = 16                # training images that tell whether an extractor is good enough
PHASE = "compute features"


class FeaturesStopped(Exception):
    """Somebody asked the job to stop while its features were being computed; what was done is kept."""


@final
@dataclass(frozen=True, eq=False)
class SplitFeatures:
    """The features of one split's n usable images. `flipped` is None when the plan never flips them."""

    identity: FeatureMatrix     # rows (n, dim)
    flipped: FeatureMatrix | None

    def all(self) -> Tensor:
        """(n, dim) float32, a copy: every image as it is."""
        return torch.from_numpy(np.array(self.identity.rows))

    def take(self, piece: Piece) -> Tensor:
        """(len(piece), dim) float32, a copy: each image in the view that the piece drew for it."""
        rows = self.identity.rows[piece.positions]
        if self.flipped is not None:
            flips = piece.draws.flips
            rows[flips] = self.flipped.rows[piece.positions[flips]]
        return torch.from_numpy(rows)


@final
@dataclass(frozen=True, eq=False)
class Features:
    """All features of a job; they stay on the disk as long as this object lives."""

    train: SplitFeatures
    valid: SplitFeatures
    test: SplitFeatures | None
    precision: Precision


@final
@dataclass(frozen=True, eq=False)
class _Pass:
    """One matrix to be computed: a split's images in one view."""

    split: Split
    view: str


def find_features(session: Session, network: str, dim: int) -> Features | None:
    """The features of all splits when somebody has computed them before, by the network's own name and its width."""
    passes = _passes(session)
    for choice in choices(_circumstances(session, passes)):
        if (found := _find(session, network, dim, passes, choice.precision(session.place))) is not None:
            return found
    return None


def compute_features(session: Session, network: Network) -> Features:
    """The features of all splits, those that are not there yet computed now.

    `network` is the session's, and is this function's to change. Raises `FeaturesStopped` when the job is asked to
    stop meanwhile, `TooLarge` when they are over the cache's limit, `StorageFailed` when the disk is full.
    """
    passes = _passes(session)
    there = _circumstances(session, passes)
    with session.phases(PHASE):
        extractor = _make(session, network, choices(there), there)
        return _compute(session, network, passes, extractor, there)


def _circumstances(session: Session, passes: list[_Pass]) -> Circumstances:
    preprocessing = session.material.preprocessing
    return circumstances(session.place, preprocessing, session.plan.compute, sum(len(one.split) for one in passes))


def _passes(session: Session) -> list[_Pass]:
    material = session.material
    flips = session.plan.augmentation.kind == "flip"
    views = [_Pass(material.train, IDENTITY)] + [_Pass(material.train, FLIPPED)] * flips
    return views + [_Pass(split, IDENTITY) for split in material.splits[1:]]


def _find(session: Session, network: str, dim: int, passes: list[_Pass], precision: Precision) -> Features | None:
    matrices: list[FeatureMatrix] = []
    for one in passes:
        found = feature_cache.find(session.plan.feature_cache, _request(session, network, dim, one, precision))
        if found is None:
            return None
        matrices.append(found)
    return _assemble(passes, matrices, precision)


def _make(session: Session, network: Network, suitable: list[Choice], there: Circumstances) -> FeatureExtractor:
    """The fastest extractor that can run the network."""
    train = session.material.train
    rows = train.rows[np.linspace(0, len(train) - 1, min(SAMPLES, len(train))).astype(np.int64)]
    samples = train.cache.gather(rows)
    for choice in suitable[:-1]:
        try:
            return choice.make(network, there, samples)
        except Unsupported as why:
            session.emit(Note(f"features are not computed in the fastest way: {why}"))
    return suitable[-1].make(network, there, samples)


def _compute(
    session: Session, network: Network, passes: list[_Pass], extractor: FeatureExtractor, there: Circumstances
) -> Features:
    report = session.phases.progress(PHASE)
    size = min(max(there.batch_pixels // session.material.preprocessing.size**2, 1), LARGEST_BATCH)
    session.emit(Note(f"features of {there.images:,} views are computed once, in {extractor.precision}"))
    matrices: list[FeatureMatrix] = []
    before = 0

    def batch(one: _Pass, start: int) -> Rows:
        if session.host.stop.after_epoch:
            raise FeaturesStopped
        pictures = one.split.cache.gather(one.split.rows[start : start + size])
        return extractor(np.ascontiguousarray(pictures[:, :, ::-1]) if one.view == FLIPPED else pictures).numpy()

    def rows_from(one: _Pass, first: int) -> Iterator[Rows]:
        done = before + first
        for rows in _side_by_side(lambda start: batch(one, start), range(first, len(one.split), size), extractor.lanes):
            yield rows
            done += len(rows)
            report(done, there.images)

    for one in passes:
        request = _request(session, network.name, network.feature_dim, one, extractor.precision)
        matrices.append(
            feature_cache.build(
                session.plan.feature_cache,
                request,
                lambda first, one=one: rows_from(one, first),
                limit_bytes=session.plan.settings.cache_limit_bytes,
            )
        )
        before += len(one.split)
    return _assemble(passes, matrices, extractor.precision)


def _side_by_side(compute: Callable[[int], Rows], starts: Iterable[int], lanes: int) -> Iterator[Rows]:
    """`compute` of all `starts`, in order, in so many threads with one core each.

    They never wait for each other, as the threads of one forward pass do after every layer.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(lanes, "features", torch.set_num_threads, (1,)) as pool:
        try:
            ahead: deque[Future[Rows]] = deque()
            for start in starts:
                ahead.append(pool.submit(compute, start))
                if len(ahead) > 2 * lanes:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)


def _assemble(passes: list[_Pass], matrices: list[FeatureMatrix], precision: Precision) -> Features:
    found = {(one.split.name, one.view): matrix for one, matrix in zip(passes, matrices, strict=True)}
    splits = {
        name: SplitFeatures(matrix, found.get((name, FLIPPED)))
        for (name, view), matrix in found.items()
        if view == IDENTITY
    }
    return Features(splits["train"], splits["valid"], splits.get("test"), precision)


def _request(session: Session, network: str, dim: int, one: _Pass, precision: Precision) -> MatrixRequest:
    material, split = session.material, one.split
    essentials = {
        "format": FORMAT,
        "images": split.cache.key,
        "rows": hashlib.sha256(split.rows.tobytes()).hexdigest(),
        "preprocessing": material.preprocessing.to_json(),
        "network": network,
        "weights": weights_key(session),
        "view": one.view,
        "precision": precision,
    }
    return MatrixRequest(
        key=hashlib.sha256(json.dumps(essentials, sort_keys=True).encode()).hexdigest(),
        images=len(split),
        dim=dim,
        precision=precision,
        description={
            "root": str(material.dataset.root.absolute()),
            "split": split.name,
            "view": one.view,
            "network": network,
            "weights": session.weights.source,
        },
    )


def weights_key(session: Session) -> list[object]:
    """What the backbone's weights follow from."""
    if session.weights.sha256 is not None:
        return [session.weights.sha256]
    # Random ones: the head is drawn from the same stream, so the number of classes is part of it.
    return ["random", torch.__version__, session.plan.seed, len(session.classes)]
