"""The decoder: right colours, right way up, and nothing but our own errors for bytes that are not a picture."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import struct
import threading
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from tintype.datasets.images import FORMATS, decode, identify, probe, read_image_file
from tintype.datasets.jpeg import decode_jpeg, read_jpeg_header
from tintype.datasets.pillow_warnings import silenced
from tintype.errors import BadImage, TooLarge, Unsupported

HYMENOPTERA = Path(__file__).parents[2] / "../shared/data/hymenoptera"
ALLOWED = (BadImage, TooLarge, Unsupported)


def quadrants(width: int = 48, height: int = 32) -> np.ndarray:
    """Red, green / blue, white: every turn and every swap of channels shows."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (250, 10, 10)
    pixels[: height // 2, width // 2 :] = (10, 250, 10)
    pixels[height // 2 :, : width // 2] = (10, 10, 250)
    pixels[height // 2 :, width // 2 :] = (250, 250, 250)
    return pixels


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def near(left: np.ndarray, right: np.ndarray, tolerance: int = 12) -> bool:
    """Equal but for compression, away from the borders of the quadrants."""
    height, width = left.shape[:2]
    rows, columns = [height // 4, 3 * height // 4], [width // 4, 3 * width // 4]
    difference = left[np.ix_(rows, columns)].astype(int) - right[np.ix_(rows, columns)].astype(int)
    return left.shape == right.shape and bool((abs(difference) <= tolerance).all())


def tiff_16(pixels: np.ndarray) -> bytes:
    return encoded(Image.fromarray(pixels), "TIFF")


SMALL: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(Image.fromarray(quadrants()), "JPEG", quality=90),
    "progressive JPEG": lambda: encoded(Image.fromarray(quadrants()), "JPEG", quality=90, progressive=True),
    "CMYK JPEG": lambda: encoded(Image.fromarray(quadrants()).convert("CMYK"), "JPEG", quality=90),
    "grey JPEG": lambda: encoded(Image.fromarray(quadrants()).convert("L"), "JPEG", quality=90),
    "PNG": lambda: encoded(Image.fromarray(quadrants()), "PNG"),
    "palette PNG": lambda: encoded(Image.fromarray(quadrants()).convert("P"), "PNG", transparency=3),
    "WEBP": lambda: encoded(Image.fromarray(quadrants()), "WEBP", quality=90),
    "lossless WEBP": lambda: encoded(Image.fromarray(quadrants()).convert("RGBA"), "WEBP", lossless=True),
    "GIF": lambda: encoded(Image.fromarray(quadrants()), "GIF"),
    "BMP": lambda: encoded(Image.fromarray(quadrants()), "BMP"),
    "TIFF": lambda: encoded(Image.fromarray(quadrants()), "TIFF"),
    "LZW TIFF": lambda: encoded(Image.fromarray(quadrants()), "TIFF", compression="tiff_lzw"),
    "deflated TIFF": lambda: encoded(Image.fromarray(quadrants()), "TIFF", compression="tiff_adobe_deflate"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_the_right_colours(form: str) -> None:
    decoded = decode(encoded(Image.fromarray(quadrants()), form))
    assert near(decoded.rgb, quadrants(), tolerance=25)
    assert (decoded.format, decoded.size, decoded.rgb.dtype) == (form, (48, 32), np.uint8)
    assert decoded.decoder == ("simplejpeg" if form == "JPEG" else "pillow")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(form: str, orientation: int) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    upright = Image.fromarray(quadrants())
    stored = upright.transpose(turns[orientation]) if orientation in turns else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(stored, form, exif=exif)
    decoded = decode(content)
    assert near(decoded.rgb, quadrants(), tolerance=25)
    assert decoded.size == (48, 32)
    header = probe(content)
    assert (header.width, header.height, header.orientation) == (48, 32, orientation)


@pytest.mark.parametrize("block", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"])
def test_a_broken_exif_block_does_not_matter(block: bytes) -> None:
    exif = b"Exif\0\0" + block
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    content = SMALL["JPEG"]()
    assert near(decode(content[:2] + segment + content[2:]).rgb, quadrants())


def test_cmyk_jpeg_is_inverted_as_adobe_writes_it() -> None:
    decoded = decode(SMALL["CMYK JPEG"]())
    assert near(decoded.rgb, quadrants(), tolerance=30)
    assert probe(SMALL["CMYK JPEG"]()).mode == "CMYK"


def test_ycck_jpeg() -> None:
    cmyk = 255 - np.asarray(Image.fromarray(quadrants()).convert("CMYK"))
    inverted_colours = Image.fromarray(255 - cmyk[..., :3], "RGB").convert("YCbCr")     # Y, Cb, Cr of the inks
    planes = np.dstack([np.asarray(inverted_colours), cmyk[..., 3]])
    content = encoded(Image.fromarray(255 - planes, "CMYK"), "JPEG", quality=95, subsampling=0)
    marker = content.index(b"Adobe")
    assert content[marker + 11] == 0
    ycck = content[: marker + 11] + b"\x02" + content[marker + 12 :]
    assert near(decode(ycck).rgb, np.asarray(Image.open(io.BytesIO(ycck)).convert("RGB")), tolerance=2)
    assert near(decode(ycck).rgb, quadrants(), tolerance=30)


def test_our_cmyk_is_that_of_pillow() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, 40, 4), dtype=np.uint8)
    content = encoded(Image.fromarray(noise, "CMYK"), "JPEG", quality=95)
    pillow = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert abs(decode(content).rgb - pillow).max() <= 1


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_cut_off(form: str) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    content = encoded(Image.fromarray(ramp), form)
    decoded = decode(content).rgb
    assert abs(decoded[..., 0] - ramp / 257.0).max() <= 0.51
    assert (decoded[..., 0] == decoded[..., 2]).all()
    assert probe(content).bits == 16


def test_sixteen_bit_colour_png() -> None:
    rows = b"".join(b"\0" + struct.pack(">3H", 65535, 32768, 0) * 4 for _ in range(4))
    content = png(4, 4, bits=16, colour=2, data=zlib.compress(rows))
    assert decode(content).rgb[2, 2].tolist() == [255, 128, 0]
    assert probe(content).bits == 16


def test_transparency_is_shown_on_white() -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:2] = (200, 0, 0, 255)
    rgba[2:] = (200, 0, 0, 0)
    rgba[3, 3] = (0, 0, 0, 128)
    for form in ("PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if form == "WEBP" else {}
        content = encoded(Image.fromarray(rgba), form, **options)
        decoded = decode(content).rgb
        assert decoded[0, 0].tolist() == [200, 0, 0]
        assert decoded[2, 0].tolist() == [255, 255, 255]
        assert abs(int(decoded[3, 3, 0]) - 127) <= 1
        assert probe(content).alpha


def test_palette_with_transparency() -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for transparency in (0, bytes([0, 255, 255])):
        content = encoded(image, "PNG", transparency=transparency)
        assert decode(content).rgb.tolist() == [[[255] * 3, [0, 255, 0]], [[0, 0, 255], [255] * 3]]
        assert probe(content).alpha


def test_transparent_colour_of_grey_and_rgb_png() -> None:
    grey = Image.fromarray(np.array([[0, 9]], np.uint8))
    assert decode(encoded(grey, "PNG", transparency=0)).rgb[0, :, 0].tolist() == [255, 9]
    deep = Image.fromarray(np.array([[0, 65535 // 2]], np.uint16))
    assert decode(encoded(deep, "PNG", transparency=0)).rgb[0, :, 0].tolist() == [255, 127]
    colour = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    assert decode(encoded(colour, "PNG", transparency=(1, 2, 3))).rgb.tolist() == [[[255] * 3, [4, 5, 6]]]


def test_grey_with_alpha_and_one_bit() -> None:
    la = Image.fromarray(np.array([[[10, 255], [10, 0]]], np.uint8), "LA")
    assert decode(encoded(la, "PNG")).rgb[0, :, 1].tolist() == [10, 255]
    bits = Image.fromarray(np.array([[True, False], [False, True]]))
    for form in ("PNG", "BMP", "TIFF"):
        content = encoded(bits, form)
        assert decode(content).rgb[..., 0].tolist() == [[255, 0], [0, 255]]
        assert probe(content).bits == 1


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_several(form: str) -> None:
    frames = [Image.fromarray(quadrants()), Image.new("RGB", (48, 32), "black")]
    options = {"lossless": True} if form == "WEBP" else {}
    content = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert near(decode(content).rgb, quadrants(), tolerance=25)
    assert probe(content).frames == 2


def test_progressive_and_grey_jpeg() -> None:
    assert near(decode(SMALL["progressive JPEG"]()).rgb, quadrants())
    grey = decode(SMALL["grey JPEG"]())
    assert near(grey.rgb, np.asarray(Image.fromarray(quadrants()).convert("L").convert("RGB")))
    assert probe(SMALL["grey JPEG"]()).mode == "L"


@pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "CMYK JPEG", "grey JPEG"])
def test_scaled_decoding_keeps_the_shorter_side(kind: str) -> None:
    modes = {"CMYK JPEG": "CMYK", "grey JPEG": "L"}
    picture = Image.fromarray(quadrants(640, 400)).convert(modes.get(kind, "RGB"))
    content = encoded(picture, "JPEG", quality=95, progressive=kind.startswith("prog"))
    for minimum in (1, 50, 51, 199, 200, 201, 400, 401, 4000):
        decoded = decode(content, minimum_side=minimum)
        height, width = decoded.rgb.shape[:2]
        assert min(minimum, 400) <= height <= 400
        assert abs(width / height - 1.6) < 0.05
        assert height <= (max(50, minimum + 50) if minimum <= 200 else 400)  # 5/8 to 7/8 are slower than 1
        assert decoded.size == (640, 400)


def test_a_tall_picture_stored_lying_down_is_scaled_by_its_shorter_side() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encoded(Image.fromarray(quadrants(640, 400)), "JPEG", exif=exif), minimum_side=100)
    assert decoded.rgb.shape == (160, 100, 3)
    assert decoded.size == (400, 640)


def test_stray_bytes_between_markers_are_forgiven_and_pillow_is_named() -> None:
    content = SMALL["JPEG"]()
    tables = content.index(b"\xff\xdb")
    odd = content[:tables] + b"\x00\x00\x00" + content[tables:]
    assert decode_jpeg(odd, read_jpeg_header(odd), None) is None
    decoded = decode(odd)
    assert (decoded.decoder, near(decoded.rgb, quadrants())) == ("pillow", True)
    assert (decoded.rgb == decode(content).rgb).all()      # both decoders are libjpeg-turbo
    assert decode(odd, minimum_side=4).rgb.shape == (4, 6, 3)


def test_bytes_after_the_end_are_forgiven() -> None:
    for form in ("JPEG", "PNG", "GIF", "BMP"):
        assert near(decode(SMALL[form]() + b"trailing" * 20).rgb, quadrants(), tolerance=25)


# ------------------------------------------------------------------------------------------------ hostile bytes


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, bits: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@functools.cache
def bombs() -> dict[str, bytes]:
    jpeg = bytearray(SMALL["JPEG"]())
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    gif = bytearray(SMALL["GIF"]())
    gif[6:10] = b"\xff\xff\xff\xff"
    bmp = bytearray(SMALL["BMP"]())
    bmp[18:26] = struct.pack("<ii", 60_000, 60_000)
    webp = b"VP8L" + struct.pack("<IBI", 5, 0x2F, 16383 | 16383 << 14) + b"\0"
    tiff = encoded(Image.new("1", (20_000, 20_000)), "TIFF", compression="group4")
    return {
        "PNG": png(100_000, 100_000, data=zlib.compress(b"\0" * 1000)),
        "JPEG": bytes(jpeg),
        "GIF": bytes(gif),
        "BMP": bytes(bmp),
        "WEBP": b"RIFF" + struct.pack("<I", len(webp) + 4) + b"WEBP" + webp,
        "TIFF": tiff,
    }


@pytest.mark.parametrize("form", FORMATS)
def test_a_bomb_is_refused_before_it_is_decoded(form: str) -> None:
    content = bombs()[form]
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=r"raise the limit|memory"):
            decode(content)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000 + 3 * len(content)
    finally:
        tracemalloc.stop()


def test_the_limit_is_the_callers() -> None:
    for form in FORMATS:
        content = SMALL[form]()
        assert decode(content, max_pixels=48 * 32).size == (48, 32)
        with pytest.raises(TooLarge, match="48 x 32 pixels; the limit is 1,535"):
            decode(content, max_pixels=48 * 32 - 1)


def test_a_progressive_file_with_endless_scans_is_refused() -> None:
    content = SMALL["progressive JPEG"]()
    scan = content.rindex(b"\xff\xda")
    with pytest.raises(BadImage, match="scans"):
        decode(content[:-2] + content[scan:-2] * 200 + content[-2:])


@pytest.mark.parametrize(
    ("content", "opening"),
    [
        (b"", "empty"),
        (b"hello, I am a text file\n" * 10, "not an image"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "not an image"),
        (b"%PDF-1.4", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "not an image"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"BM", "truncated|damaged"),
        (b"GIF89a", "truncated|damaged"),
        (b"RIFF\x04\0\0\0WEBP", "truncated|damaged"),
        (b"II*\0", "truncated|damaged"),
        (png(0, 5), "damaged"),
        (png(5, 5, data=b"not deflated"), "truncated|damaged"),
    ],
)
def test_what_is_not_an_image_says_so(content: bytes, opening: str) -> None:
    with pytest.raises(BadImage, match=rf"^({opening})"):
        decode(content)


def test_thirty_two_bit_samples_are_unsupported() -> None:
    with pytest.raises(Unsupported, match="8 or 16 bits"):
        decode(encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"))


@pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "CMYK JPEG", "grey JPEG", "PNG", "palette PNG", "WEBP"])
def test_every_truncation_is_a_bad_image(kind: str) -> None:
    content = SMALL[kind]()
    for length in range(len(content)):
        with pytest.raises(BadImage):
            decode(content[:length])


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "LZW TIFF"])
def test_a_truncation_is_a_bad_image_or_loses_nothing(kind: str) -> None:
    content, whole = SMALL[kind](), decode(SMALL[kind]()).rgb
    for length in range(len(content)):
        try:
            assert (decode(content[:length]).rgb == whole).all()
        except BadImage:
            continue
    with pytest.raises(BadImage):
        decode(content[: len(content) // 2])


def test_a_truncated_photograph_says_truncated() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    for form in ("JPEG", "PNG", "BMP"):
        content = encoded(Image.fromarray(noise), form)
        with pytest.raises(BadImage, match=r"^truncated"):
            decode(content[: len(content) * 2 // 3])
    content = encoded(Image.fromarray(noise), "JPEG")
    with pytest.raises(BadImage, match=r"^truncated"):      # a hole in the middle, with the end in place
        decode(content[: len(content) // 2] + b"\xff\xd9")


@pytest.mark.parametrize("kind", SMALL)
def test_flipped_bytes_give_a_picture_or_one_of_our_errors(kind: str) -> None:
    content, rng = SMALL[kind](), np.random.default_rng(7)
    for _ in range(1500):
        mutant = bytearray(content)
        for position in rng.integers(0, len(content), rng.integers(1, 6)):
            mutant[position] = rng.integers(0, 256)
        with contextlib.suppress(*ALLOWED):
            probe(bytes(mutant))
        with contextlib.suppress(*ALLOWED):
            rgb = decode(bytes(mutant), minimum_side=16, max_pixels=200_000).rgb
            assert (rgb.dtype, rgb.ndim, rgb.shape[2]) == (np.uint8, 3, 3)
            assert rgb.size


def test_reading_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"content")
    assert read_image_file(tmp_path / "a.jpg") == b"content"
    with pytest.raises(BadImage, match="unreadable: No such file"):
        read_image_file(tmp_path / "none.jpg")
    with pytest.raises(BadImage, match="unreadable: "):
        read_image_file(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(BadImage, match="unreadable: not an ordinary file"):
        read_image_file(tmp_path / "pipe.jpg")


def test_a_file_that_no_picture_needs_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse.png").open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(TooLarge, match="100,000,000 pixels needs"):
        read_image_file(tmp_path / "sparse.png")


# ------------------------------------------------------------------------------------------- manners towards the host


def test_a_large_picture_raises_no_warning_and_changes_no_setting() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    content = encoded(Image.new("1", (10_000, 9_500)), "PNG")          # Pillow warns from 89 million pixels on
    assert probe(content).width == 10_000
    with pytest.raises(TooLarge):
        decode(content, max_pixels=90_000_000)
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


def test_a_host_that_forgives_truncated_files_changes_nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for kind in ("JPEG", "PNG"):
        with pytest.raises(BadImage, match=r"^truncated"):
            decode(SMALL[kind]()[:-30])


def test_silence_covers_its_own_thread_only() -> None:
    heard: list[str] = []

    def other() -> None:
        try:
            warnings.warn("from the other thread", UserWarning, stacklevel=1)
        except UserWarning as warning:
            heard.append(str(warning))

    with silenced():
        warnings.warn("from this thread", UserWarning, stacklevel=1)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert heard == ["from the other thread"]
    with pytest.raises(UserWarning, match="again"):
        warnings.warn("again", UserWarning, stacklevel=1)


def test_identify_goes_by_content() -> None:
    assert {identify(SMALL[form]()) for form in FORMATS} == set(FORMATS)
    assert identify(b"RIFF\0\0\0\0WAVEfmt ") is None


@pytest.mark.data
def test_photographs_decode_as_pillow_decodes_them() -> None:
    if not HYMENOPTERA.is_dir():
        pytest.skip(f"the photographs are not at {HYMENOPTERA}")
    for path in sorted(HYMENOPTERA.glob("val/*/*.jpg"))[:12]:
        content = path.read_bytes()
        pillow = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert abs(decode(content).rgb - pillow).max() <= 1


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF"])
def test_the_beginning_of_a_file_tells_its_size(form: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), form)
    start = content[: len(content) // 2]
    assert probe(start, whole=False) == probe(content)
    if form in ("JPEG", "PNG"):                         # of these the end is seen without decoding
        with pytest.raises(BadImage, match="truncated"):
            probe(start)


def test_a_large_tiff_is_a_tiff() -> None:
    content = encoded(Image.fromarray(quadrants()), "TIFF", big_tiff=True)
    assert content.startswith(b"II+\0")
    assert decode(content).format == "TIFF"
    assert near(decode(content).rgb, quadrants())
