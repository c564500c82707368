"""JPEG: the header, and scaled decoding with libjpeg-turbo.

Damage is an error here, never a picture with a grey end: the decoder runs in strict mode, in which libjpeg's warnings
are errors. A few of those are harmless (stray bytes between markers, an odd JFIF version); for them `decode_jpeg`
returns None and the caller asks Pillow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import simplejpeg

from tintype.datasets.orientation import EXIF_PREFIX, exif_orientation
from tintype.errors import BadImage

END_OF_IMAGE = b"\xff\xd9"
START_OF_SCAN = 0xDA
APP1 = 0xE1
STANDALONE = {0x01, *range(0xD0, 0xD9)}                       # markers without a length
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}          # SOF0 .. SOF15
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
MODES = {1: "L", 3: "RGB", 4: "CMYK"}
LEAST_SHRINKING = 2                                           # scales of 5/8 to 7/8 take longer than 1: no SIMD
MAX_SCANS = 100                                               # a progressive file has about ten; more is a bomb

# libjpeg's warnings that mean the picture is not what was saved -> the word we have for it
DAMAGE = {
    "remature end": "truncated",
    "bad Huffman code": "damaged",
    "bad arithmetic code": "damaged",
    "instead of RST": "damaged",
    "Inconsistent progression": "damaged",
}


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What a JPEG says before its pixels. Width and height are as stored, before orientation."""

    width: int
    height: int
    bits: int
    components: int
    orientation: int


def read_jpeg_header(content: bytes, *, whole: bool = True) -> JpegHeader:
    """Walk the markers up to the first scan. `BadImage` when there is no frame or no scan; and no end, if `whole`."""
    frame: tuple[int, int, int, int] | None = None            # bits, height, width, components
    orientation, progressive = 1, False
    for marker, start, end in _segments(content):
        if marker in FRAMES and end - start >= 6:
            bits, height, width, components = content[start], *_words(content, start + 1), content[start + 5]
            frame, progressive = (bits, height, width, components), marker in PROGRESSIVE
        elif marker == APP1 and content.startswith(EXIF_PREFIX, start):
            orientation = exif_orientation(content[start:end])
        elif marker == START_OF_SCAN:
            if whole:
                _check_end(content, start)
            if progressive:
                _check_scans(content, start)
            break
    else:
        raise BadImage("truncated JPEG: the file ends before the picture begins; get the file again")
    if frame is None or frame[3] not in MODES or not frame[1] or not frame[2]:
        raise BadImage("damaged JPEG: the header describes no picture; get the file again")
    return JpegHeader(width=frame[2], height=frame[1], bits=frame[0], components=frame[3], orientation=orientation)


def _segments(content: bytes):
    """Every (marker, start, end) of a payload from the front; it ends where the file does."""
    position = 2
    while (position := content.find(b"\xff", position)) >= 0 and position + 1 < len(content):
        marker = content[position + 1]
        if marker in (0x00, 0xFF) or marker in STANDALONE:
            position += 1 if marker == 0xFF else 2
            continue
        start = position + 4
        if start > len(content):
            return
        end = position + 2 + (content[position + 2] << 8 | content[position + 3])
        if end > len(content):
            return
        yield marker, start, end
        position = max(end, start)


def _words(content: bytes, start: int) -> tuple[int, int]:
    return content[start] << 8 | content[start + 1], content[start + 2] << 8 | content[start + 3]


def _check_end(content: bytes, start: int) -> None:
    if content.rfind(END_OF_IMAGE, start) < 0:
        raise BadImage("truncated JPEG: the file ends before the picture does; get the file again")


def _check_scans(content: bytes, start: int) -> None:
    scans = content.count(b"\xff\xda", start) + 1
    if scans > MAX_SCANS:
        raise BadImage(f"damaged JPEG: {scans:,} scans, where {MAX_SCANS} are plenty; save the picture again")


def decode_jpeg(content: bytes, header: JpegHeader, minimum_side: int | None) -> np.ndarray | None:
    """The pixels, uint8 (h, w, 3), not yet turned upright; None when only a more lenient decoder can tell.

    With `minimum_side` the picture is decoded at the smallest of libjpeg's scales (1/8 to 4/8, or 1) that keeps both
    sides at least that long. `BadImage` when the data is truncated or damaged.
    """
    side = minimum_side or 0
    colours = "CMYK" if header.components == 4 else "RGB"
    try:
        if simplejpeg.decode_jpeg_header(content, strict=False)[:2] != (header.height, header.width):
            raise BadImage("damaged JPEG: it has two headers that differ; get the file again")
        pixels = simplejpeg.decode_jpeg(
            content, colours, min_height=side, min_width=side, min_factor=LEAST_SHRINKING
        )
    except KeyError:                                          # a subsampling that simplejpeg has no name for
        return None
    except ValueError as error:
        for phrase, word in DAMAGE.items():
            if phrase in str(error):
                raise BadImage(f"{word} JPEG: {error}; get the file again") from error
        return None
    return _from_inverted_cmyk(pixels) if colours == "CMYK" else pixels


def _from_inverted_cmyk(cmyk: np.ndarray) -> np.ndarray:
    """RGB from the inverted CMYK that Adobe writes, and that readers expect of everybody: colour times black."""
    ink, black = cmyk[..., :3].astype(np.uint16), cmyk[..., 3:].astype(np.uint16)
    return ((ink * black + 127) // 255).astype(np.uint8)
