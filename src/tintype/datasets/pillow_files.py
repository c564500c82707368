"""The formats that Pillow reads for us, opened class by class.

`PIL.Image.open` is not used: it would try plugins by content, warn of large pictures, and obey a limit that belongs to
the program around us. The classes behind it read the header only; the caller checks the size before `load_pixels`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from tintype.datasets.colours import rgb_pixels
from tintype.datasets.orientation import ORIENTATION_TAG, exif_orientation
from tintype.datasets.pillow_warnings import silenced
from tintype.errors import BadImage, TintypeError, TooLarge

PNG_END = b"IEND\xaeB`\x82"
BITS_PER_SAMPLE_TAG = 258

PLUGINS: dict[str, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}


@contextlib.contextmanager
def reading(form: str) -> Iterator[None]:
    """Whatever Pillow raises within becomes a `BadImage` or a `TooLarge`; what it warns of is not heard."""
    try:
        with silenced():
            yield
    except TintypeError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise TooLarge(f"this {form} takes more memory than one picture may ({error}); make it smaller") from error
    except Exception as error:      # hostile bytes get nearly every exception out of Pillow
        early = isinstance(error, EOFError) or "truncated" in str(error).lower()
        word = "truncated" if early else "damaged"
        raise BadImage(f"{word} {form}: {error or type(error).__name__}; get the file again") from error


def open_image(content: bytes, form: str, *, whole: bool = True) -> ImageFile:
    """Read the header; `whole` says that the file's end is there too. Use it within `reading`."""
    if whole and form == "PNG" and PNG_END not in content[-1024:] and PNG_END not in content:
        raise BadImage("truncated PNG: the file ends before the picture does; get the file again")
    return PLUGINS[form](io.BytesIO(content))


def load_pixels(image: ImageFile, *, minimum_side: int | None = None) -> np.ndarray:
    """Decode the first frame, upright, as uint8 (h, w, 3). Use it within `reading`."""
    if minimum_side is not None and isinstance(image, JpegImageFile):
        image.draft(None, (minimum_side, minimum_side))
    image.load()
    return rgb_pixels(image)


def orientation_of(image: ImageFile) -> int:
    """The orientation that is still to be applied once the pixels are loaded (Pillow turns a TIFF by itself)."""
    exif = image.info.get("exif")
    return exif_orientation(exif) if isinstance(exif, bytes) and not isinstance(image, TiffImageFile) else 1


def stored_orientation(image: ImageFile) -> int:
    """The orientation the file tells, whoever applies it."""
    if not isinstance(image, TiffImageFile):
        return orientation_of(image)
    told = image.tag_v2.get(ORIENTATION_TAG, 1)
    return told if told in range(1, 9) else 1


def bits_of(image: ImageFile, content: bytes) -> int:
    """Bits per colour sample as stored: 1, 2, 4, 8, 16 or 32."""
    if isinstance(image, PngImageFile):
        return content[24]
    if isinstance(image, TiffImageFile):
        return max(image.tag_v2.get(BITS_PER_SAMPLE_TAG, (1,)))
    return 1 if image.mode == "1" else 8


def frames_of(image: ImageFile) -> int:
    """1, or 2 for "more than one": counting the frames of a long animation would mean reading it."""
    return 2 if getattr(image, "is_animated", False) else 1
