from __future__ import annotations

import io

import pytest
from PIL import Image

from tintype.datasets.foreign_content import foreign_content
from tintype.datasets.images import decode
from tintype.errors import BadImage

FTYP = b"\0\0\0\x18ftyp"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (FTYP + b"heic\0\0\0\0mif1heic", "HEIC, as telephones save photographs"),
        (FTYP + b"mif1\0\0\0\0mif1heic", "HEIC, as telephones save photographs"),
        (FTYP + b"avif\0\0\0\0avifmif1", "AVIF"),
        (FTYP + b"isom\0\0\x02\0isomiso2", "a video"),
        (b"\xff\x0a\x00\x10", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\x01", "a Photoshop document"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"PK\x03\x04\x14\0", "a zip archive"),
        (b"\x1f\x8b\x08\0", "compressed by gzip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS, without what it points to"),
        (b"\xef\xbb\xbf\n <!DOCTYPE HTML><title>404</title>", "a web page"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<?xml version="1.0"?>\n<svg/>', "SVG"),
        (b"<?xml version='1.0'?><annotation/>", "XML"),
    ],
)  # fmt: skip
def test_what_it_is_is_said(content: bytes, name: str) -> None:
    assert foreign_content(content) == name
    with pytest.raises(BadImage, match=rf"^not an image: the content is {name}, and none of JPEG, .*; convert it"):
        decode(content)


@pytest.mark.parametrize("form", ["ICO", "JPEG2000", "AVIF"])
def test_files_of_pillows(form: str) -> None:
    stream = io.BytesIO()
    try:
        Image.new("RGB", (32, 32), "red").save(stream, form)
    except (KeyError, OSError) as error:
        pytest.skip(f"this Pillow cannot write {form}: {error}")
    assert foreign_content(stream.getvalue()) == {"ICO": "an icon", "JPEG2000": "JPEG 2000", "AVIF": "AVIF"}[form]


@pytest.mark.parametrize("content", [b"x", b"hello", b"\0" * 64, b"GIF? no", bytes(range(256)), "é".encode() * 200])
def test_what_cannot_be_told_is_none_of_ours(content: bytes) -> None:
    assert foreign_content(content) is None
    with pytest.raises(BadImage, match=r"^not an image: the content is none of JPEG"):
        decode(content)
