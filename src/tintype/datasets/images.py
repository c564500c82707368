"""Bytes that nobody vouches for, as RGB pixels: the one decoder of training, checking and serving.

Six formats are read, told apart by content, never by name. The header is read first, so that a picture of absurd size
is refused before any memory is taken. JPEG is decoded by libjpeg-turbo at a reduced scale where that is enough;
everything else, and the few JPEGs that are odd without being damaged, by Pillow. Colour profiles (ICC) are not applied.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tintype.datasets.colours import has_alpha
from tintype.datasets.foreign_content import foreign_content
from tintype.datasets.jpeg import MODES, decode_jpeg, read_jpeg_header
from tintype.datasets.orientation import swaps_sides, upright
from tintype.datasets.pillow_files import (
    bits_of,
    frames_of,
    load_pixels,
    open_image,
    orientation_of,
    reading,
    stored_orientation,
)
from tintype.errors import BadImage, TooLarge

MAX_PIXELS = 100_000_000
BYTES_PER_PIXEL = 8              # sixteen bits, four channels, not compressed
OVERHEAD_BYTES = 16 * 1024**2    # headers, profiles, thumbnails

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),              # BigTIFF
    (b"MM\0+", "TIFF"),
)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


@dataclass(frozen=True)
class Header:
    """What a file says of itself before it is decoded. Width and height are as seen, after orientation."""

    format: str            # one of FORMATS
    width: int
    height: int
    mode: str              # Pillow's word: "L", "RGB", "CMYK", "P", "RGBA", "I;16", ...
    bits: int              # per colour sample, as stored
    alpha: bool            # some pixel may be transparent
    frames: int            # 1, or 2 for "more than one"
    orientation: int       # 1 to 8, as EXIF counts them


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded picture, upright."""

    rgb: np.ndarray                # uint8 (h, w, 3), perhaps at a reduced scale
    format: str
    size: tuple[int, int]          # (width, height) of the whole picture, upright, at full scale
    decoder: str                   # "simplejpeg" or "pillow"


def identify(content: bytes) -> str | None:
    """The format that the first bytes announce, or None when it is none of `FORMATS`."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return next((form for signature, form in SIGNATURES if content.startswith(signature)), None)


def probe(content: bytes, *, whole: bool = True) -> Header:
    """Read the header alone. `BadImage` when there is none that makes sense; the size is not judged.

    Without `whole` the beginning of a file will do, where its format has the header there (some TIFFs have not).
    """
    form = _format(content)
    if form == "JPEG":
        jpeg = read_jpeg_header(content, whole=whole)
        width, height = _seen(jpeg.width, jpeg.height, jpeg.orientation)
        return Header(form, width, height, MODES[jpeg.components], jpeg.bits, False, 1, jpeg.orientation)
    with reading(form):
        image = open_image(content, form, whole=whole)
        width, height = _seen(*image.size, orientation_of(image))
        return Header(
            form,
            width,
            height,
            mode=image.mode,
            bits=bits_of(image, content),
            alpha=has_alpha(image),
            frames=frames_of(image),
            orientation=stored_orientation(image),
        )


def decode(content: bytes, *, minimum_side: int | None = None, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode the first frame, upright, to 8-bit RGB.

    A JPEG is decoded at the smallest scale (1/8 to 4/8, or 1) whose shorter side has `minimum_side` pixels; other
    formats always in full. Raises `TooLarge` over `max_pixels` (told by the header, before decoding), `BadImage` for
    anything that is not a whole picture, `Unsupported` for samples that have no stated range. The message of a
    `BadImage` begins with "empty", "not an image", "truncated" or "damaged".
    """
    form = _format(content)
    if form == "JPEG":
        return _decode_jpeg(content, minimum_side, max_pixels)
    with reading(form):
        image = open_image(content, form)
        _check_size(*image.size, max_pixels)
        pixels = load_pixels(image)
        orientation = orientation_of(image)
        pixels = upright(pixels, orientation)
        return Decoded(pixels, form, (pixels.shape[1], pixels.shape[0]), "pillow")


def read_image_file(path: Path, max_pixels: int = MAX_PIXELS) -> bytes:
    """The bytes of a file that may hold a picture of at most `max_pixels`.

    `TooLarge` without reading it when no format would need so many bytes; `BadImage`, its message beginning with
    "unreadable", when the file cannot be read.
    """
    most = OVERHEAD_BYTES + BYTES_PER_PIXEL * max_pixels
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)      # a pipe must not keep us waiting
        with open(descriptor, "rb", buffering=0) as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise BadImage("unreadable: not an ordinary file; remove it")
            if status.st_size > most:
                needless = f"{status.st_size:,} bytes, which no picture of {max_pixels:,} pixels needs"
                raise TooLarge(f"the file has {needless}; remove it")
            return stream.read()
    except OSError as error:
        raise BadImage(f"unreadable: {error.strerror or error}; see to the file or remove it") from error


def _decode_jpeg(content: bytes, minimum_side: int | None, max_pixels: int) -> Decoded:
    header = read_jpeg_header(content)
    _check_size(header.width, header.height, max_pixels)
    pixels, decoder = decode_jpeg(content, header, minimum_side), "simplejpeg"
    if pixels is None:
        with reading("JPEG"):
            image = open_image(content, "JPEG")
            _check_size(*image.size, max_pixels)
            pixels, decoder = load_pixels(image, minimum_side=minimum_side), "pillow"
    size = _seen(header.width, header.height, header.orientation)
    return Decoded(upright(pixels, header.orientation), "JPEG", size, decoder)


def _format(content: bytes) -> str:
    if not content:
        raise BadImage("empty: the file has no bytes; get the file again")
    form = identify(content)
    if form is None:
        known, other = ", ".join(FORMATS), foreign_content(content)
        is_what = f"{other}, and none of {known}" if other else f"none of {known}"
        raise BadImage(f"not an image: the content is {is_what}; convert it or remove it")
    return form


def _seen(width: int, height: int, orientation: int) -> tuple[int, int]:
    return (height, width) if swaps_sides(orientation) else (width, height)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise BadImage(f"damaged: the header says {width} x {height} pixels; get the file again")
    if width * height > max_pixels:
        hint = "make it smaller, or raise the limit (TINTYPE_MAX_PIXELS; of a server, --max-pixels)"
        raise TooLarge(f"{width:,} x {height:,} pixels; the limit is {max_pixels:,} pixels: {hint}")
