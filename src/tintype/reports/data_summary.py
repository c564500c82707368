"""The data section: sizes, problems, what was left out, and sample images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tintype.reports.evidence import SPLITS, Album, Quarantined, RunEvidence
from tintype.reports.problems import read_problems
from tintype.reports.run_report import Data, Missing, Sample
from tintype.reports.thumbnails import Thumbnails
from tintype.reports.wording import size

SAMPLES_PER_CLASS = ((9, 8), (12, 6), (24, 3))              # up to so many classes, so many pictures of each; then one
SAMPLE_CLASSES = 72                                         # classes of which a picture is shown
SAMPLE_SIDE = 128                                           # pixels: sharp on fine screens at half the size

Rows = NDArray[np.bool_]                                    # (n,) one per file of the data set


def summarise(evidence: RunEvidence) -> Data:
    """All that the report says of the data. Reads the sample images."""
    album, check = evidence.album, evidence.check
    quarantined = tuple(Quarantined(one["path"], one["reason"]) for one in evidence.result.get("quarantined", ()))
    used = _used(album, quarantined)
    counts = _counts(album, used)
    thumbnails = Thumbnails(album.root, evidence.max_pixels)
    return Data(
        location=evidence.location,
        layout=album.layout,
        classes=album.classes,
        counts={split: counts[split] for split in SPLITS[:3] if any(counts[split])},
        unlabelled=int(np.count_nonzero(used & (album.labels < 0))),
        notes=album.notes,
        facts=_facts(check or {}),
        problems=read_problems(check, thumbnails),
        quarantined=quarantined,
        samples=_samples(album, used, thumbnails),
    )


def _used(album: Album, quarantined: Iterable[Quarantined]) -> Rows:
    """(n,) whether each file was used, that is, was not quarantined."""
    bad = {one.path for one in quarantined}
    return np.array([path not in bad for path in album.paths], dtype=np.bool_)


def _counts(album: Album, used: Rows) -> dict[str, tuple[int, ...]]:
    """Split -> images per class."""
    known = used & (album.labels >= 0)
    return {
        split: tuple(
            np.bincount(album.labels[known & (album.splits == n)], minlength=len(album.classes)).tolist()
        )
        for n, split in enumerate(SPLITS)
    }


def _facts(check: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What the check measured: the median picture and the range, the bytes, the formats."""
    facts: list[tuple[str, str]] = []
    sizes, formats = check.get("sizes") or {}, check.get("formats") or {}
    if {"width", "height"} <= set(sizes):
        width, height = (_spread(sizes[name], "{:,}".format) for name in ("width", "height"))
        facts.append(("Pixels", f"{width} wide, {height} high"))
    if "bytes" in sizes:
        facts.append(("File size", _spread(sizes["bytes"], size)))
    if formats:
        facts.append(("Formats", ", ".join(f"{count:,} {name}" for name, count in formats.items())))
    return tuple(facts)


def _spread(percentiles: Mapping[str, int], written: Callable[[int], str]) -> str:
    """`500 (193 to 2,592)`: the median and the range; one number when all are the same."""
    low, middle, high = (written(percentiles[name]) for name in ("p0", "p50", "p100"))
    return middle if low == high else f"{middle} ({low} to {high})"


def _samples(album: Album, used: Rows, thumbnails: Thumbnails) -> tuple[Sample, ...] | Missing:
    """A few pictures of every class, spread over its files; of classes at equal distances when they are many."""
    if not album.classes:
        return Missing("There are no classes.")
    each = next((count for most, count in SAMPLES_PER_CLASS if len(album.classes) <= most), 1)
    shown = min(len(album.classes), SAMPLE_CLASSES)
    samples: list[Sample] = []
    for label in np.linspace(0, len(album.classes) - 1, shown).astype(int).tolist():
        rows = np.flatnonzero(used & (album.labels == label))
        picked = rows[np.linspace(0, len(rows) - 1, min(each, len(rows))).astype(int)]
        made = (thumbnails.make(album.paths[int(row)], SAMPLE_SIDE, "square") for row in picked)
        samples.append(Sample(album.classes[label], len(rows), tuple(one for one in made if one)))
    if not any(sample.pictures for sample in samples):
        return Missing("None of the images could be read when the report was made.")
    return tuple(samples)


def sample_file(album: Album, quarantined: Iterable[Quarantined]) -> str:
    """An image to ask the endpoint about: one that the model was not trained on, if there is any."""
    used = _used(album, quarantined)
    for split in ("test", "unlabelled", "valid", "train"):
        rows = np.flatnonzero(used & (album.splits == SPLITS.index(split)))
        if len(rows):
            return str(album.root / album.paths[int(rows[0])])
    return "photo.jpg"
