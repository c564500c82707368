"""Every pixel layout that Pillow reads, as 8-bit RGB.

Transparency is shown on white, as a browser shows it. Sixteen bits are scaled to eight, not cut off. Samples of 32 bits
have no stated range and are refused.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from tintype.errors import Unsupported

SIXTEEN_BITS = {"I;16", "I;16B", "I;16L", "I;16N"}
ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
OPAQUE = {"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr"}


def has_alpha(image: Image.Image) -> bool:
    """True when some pixel may let the background through."""
    return image.mode in ALPHA or "transparency" in image.info


def rgb_pixels(image: Image.Image) -> np.ndarray:
    """The pixels of a loaded image, uint8 (h, w, 3). `Unsupported` for layouts without a stated range."""
    if image.mode in SIXTEEN_BITS:
        return _from_sixteen_bits(image)
    if image.mode not in ALPHA | OPAQUE:
        reason = f"samples of the kind {image.mode!r} have no stated range"
        raise Unsupported(f"{reason}; save the picture with 8 or 16 bits a colour")
    if has_alpha(image):
        return np.asarray(_on_white(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _from_sixteen_bits(image: Image.Image) -> np.ndarray:
    samples = np.asarray(image).astype(np.uint32)
    grey = ((samples * 255 + 32767) // 65535).astype(np.uint8)
    clear = image.info.get("transparency")                    # the one value that a PNG may declare clear
    if isinstance(clear, int):
        grey[samples == clear] = 255
    return np.repeat(grey[..., None], 3, axis=2)


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white
