"""Whether the images that can be read are enough to train a classifier on, and to tell how good it is."""

from __future__ import annotations

from collections.abc import Mapping

from tintype.errors import BadData

NEEDED = ("train", "valid")         # splits without which there is no training


def refuse_too_little(counts: Mapping[str, Mapping[str, int]], location: str) -> None:
    """`BadData` when no usable image is there to train on or to validate with, or when those to train on are all of one
    class. `counts` has split -> class -> usable images.
    """
    for split in NEEDED:
        if not any(counts.get(split, {}).values()):
            hint = "; three images of a class are enough for one to be set aside" if split == "valid" else ""
            raise BadData(f"{location} has no usable image in its {split} split; add some{hint}")
    present = [name for name, count in counts["train"].items() if count]
    if len(present) < 2:
        only = f"has usable images of one class only, {present[0]!r}, to train on"
        raise BadData(f"{location} {only}; a classifier needs at least two, each in a folder of its own")
