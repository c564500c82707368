"""EXIF orientation: reading the one tag that matters, and turning the picture upright.

The tag is read here because Pillow's reader parses every tag of the block, warns about odd ones, and takes longer
than decoding a small picture.
"""

from __future__ import annotations

import struct

import numpy as np

ORIENTATION_TAG = 0x0112
SHORT = 3
EXIF_PREFIX = b"Exif\0\0"
BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
MAX_ENTRIES = 1000


def exif_orientation(exif: bytes) -> int:
    """The orientation (1 to 8) that an EXIF block tells; 1 when it tells none, or makes no sense."""
    block = exif.removeprefix(EXIF_PREFIX)
    order = BYTE_ORDERS.get(bytes(block[:4]))
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, directory)
        for entry in range(min(entries, MAX_ENTRIES)):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, directory + 2 + 12 * entry)
            if tag == ORIENTATION_TAG:
                return value if kind == SHORT and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def swaps_sides(orientation: int) -> bool:
    """True when turning the picture upright exchanges width and height."""
    return orientation >= 5


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """`pixels` (h, w, ...) as they are meant to be seen; (w, h, ...) for the orientations from 5 on."""
    if orientation == 1:
        return pixels
    turned = pixels.swapaxes(0, 1) if swaps_sides(orientation) else pixels
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)
