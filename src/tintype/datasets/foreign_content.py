"""What a file is that is none of the pictures we read, as far as its first bytes tell.

Telephones write HEIC, browsers save AVIF, and downloads that failed leave web pages behind.
"""

from __future__ import annotations

# Where the signature is, the signature, and what such a file is.
SIGNATURES: tuple[tuple[int, tuple[bytes, ...], str], ...] = (
    (4, (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftyphevx", b"ftypheim", b"ftypheis", b"ftypmif1", b"ftypmsf1"),
     "HEIC, as telephones save photographs"),
    (4, (b"ftypavif", b"ftypavis"), "AVIF"),
    (4, (b"ftyp",), "a video"),
    (0, (b"\xff\x0a", b"\0\0\0\x0cJXL "), "JPEG XL"),
    (0, (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), "JPEG 2000"),
    (0, (b"\0\0\x01\0",), "an icon"),
    (0, (b"8BPS",), "a Photoshop document"),
    (0, (b"%PDF-",), "a PDF document"),
    (0, (b"%!PS",), "PostScript"),
    (0, (b"PK\x03\x04",), "a zip archive"),
    (0, (b"\x1f\x8b",), "compressed by gzip"),
    (0, (b"version https://git-lfs",), "a pointer of Git LFS, without what it points to"),
)  # fmt: skip
MARKUP: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
)
LOOKED_AT = 256                 # bytes, in which markup has to begin


def foreign_content(content: bytes) -> str | None:
    """What these bytes are, to end the sentence "the content is ..."; None when it cannot be told."""
    for start, signatures, name in SIGNATURES:
        if content[start : start + 32].startswith(signatures):
            return name
    text = content[:LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = next((name for start, name in MARKUP if text.startswith(start)), None)
    return "SVG" if found == "XML" and b"<svg" in text else found
