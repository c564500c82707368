"""A corpus of pictures in every format and wrapping, and mutations of it. The same seed gives the same bodies."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 96
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

# format, options of Pillow's `save`, mode that the picture is converted to first
FORMS = [
    ("JPEG", {"quality": 85}, "RGB"), ("JPEG", {"progressive": True}, "RGB"), ("JPEG", {"subsampling": 2}, "RGB"),
    ("JPEG", {}, "L"), ("JPEG", {}, "CMYK"), ("PNG", {}, "RGB"), ("PNG", {}, "RGBA"), ("PNG", {}, "P"),
    ("PNG", {}, "I;16"), ("PNG", {}, "1"), ("WEBP", {"quality": 80}, "RGB"), ("WEBP", {"lossless": True}, "RGBA"),
    ("GIF", {}, "P"), ("GIF", {"save_all": True, "append_images": True}, "P"), ("BMP", {}, "RGB"), ("BMP", {}, "P"),
    ("TIFF", {}, "RGB"), ("TIFF", {"compression": "tiff_lzw"}, "RGB"), ("TIFF", {"compression": "jpeg"}, "RGB"),
    ("TIFF", {"compression": "tiff_deflate"}, "L"), ("TIFF", {"compression": "group4"}, "1"),
]  # fmt: skip


@dataclass(frozen=True)
class Body:
    """What is sent."""

    content_type: str
    content: bytes
    encoding: str = ""


def photographs(folder: Path | None, count: int = 3) -> list[Image.Image]:
    """Real ones when `folder` has some, else something as busy."""
    files = sorted(folder.rglob("*.jpg"))[:count] if folder and folder.is_dir() else []
    if files:
        return [Image.open(path).convert("RGB").resize((SIDE, SIDE * 3 // 4)) for path in files]
    noise = np.random.default_rng(3)
    smooth = noise.normal(size=(count, 9, 12, 3)).cumsum(axis=1).cumsum(axis=2)
    scaled = (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)
    return [Image.fromarray(one).resize((SIDE, SIDE * 3 // 4)) for one in scaled]


def corpus(folder: Path | None = None) -> list[bytes]:
    """Whole and valid files."""
    return [encoded(one, *form) for one in photographs(folder) for form in FORMS]


def encoded(image: Image.Image, form: str, options: dict[str, object], mode: str) -> bytes:
    converted = image.convert("L").convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    if options.get("append_images"):
        options = {**options, "append_images": [converted.rotate(90)]}
    stream = io.BytesIO()
    converted.save(stream, form, **options)
    return stream.getvalue()


def mutated(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A few changes of random kinds in random places."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        at = chance.randrange(len(data))
        match chance.randrange(8):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at] = chance.randrange(256)
            case 2:
                del data[at:]
            case 3:
                del data[at : at + chance.randrange(1, 64)]
            case 4:
                data[at:at] = data[at : at + chance.randrange(1, 64)]
            case 5:
                width = chance.choice((1, 2, 4))
                value = chance.choice(EXTREMES) & ((1 << 8 * width) - 1)
                data[at : at + width] = value.to_bytes(width, chance.choice(("big", "little")))
            case 6:
                other = chance.choice(others)
                start = chance.randrange(len(other))
                data[at:] = other[start:]
            case 7:
                head = min(at, 64)      # headers are where lengths and kinds are
                data[head] = chance.randrange(256)
    return bytes(data)


def bodies(count: int, seed: int, folder: Path | None = None) -> Iterator[Body]:
    """`count` mutated bodies, most of them bare pictures."""
    chance, whole = random.Random(seed), corpus(folder)
    for _ in range(count):
        yield wrapped(mutated(chance.choice(whole), whole, chance), whole, chance)


def wrapped(content: bytes, whole: Sequence[bytes], chance: random.Random) -> Body:
    """A picture as a body, or in one of the wrappings; these are mutated as well, now and then."""
    match chance.randrange(40):
        case 0:
            text = json.dumps({"instances": [{"image": base64.b64encode(content).decode()}]}).encode()
            return Body("application/json", mutated(text, whole, chance) if chance.random() < 0.5 else text)
        case 1:
            part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + content + b"\r\n"
            text = part + part + b"--x--\r\n"
            form = "multipart/form-data; boundary=x"
            return Body(form, mutated(text, whole, chance) if chance.random() < 0.5 else text)
        case 2:
            stream = io.BytesIO()
            np.save(stream, np.frombuffer(content[: len(content) // 12 * 12], np.uint8).reshape(-1, 4, 3))
            return Body("application/x-npy", mutated(stream.getvalue(), whole, chance))
        case 3:
            return Body("image/png", mutated(gzip.compress(content), whole, chance), "gzip")
        case _:
            return Body(chance.choice(("image/jpeg", "application/octet-stream", "application/x-image")), content)
