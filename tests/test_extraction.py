from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.errors import BadArchive, Conflict, NotFound, TintypeError
from tintype.extraction import DEEPEST, LARGEST_HEADER_BYTES, LARGEST_PADDING_BYTES, Limits, extract, is_archive

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info, content


def tar(path: Path, *members: Member, mode: str = "w:gz", form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, mode, format=form) as bundle:  # type: ignore[call-overload]
        for info, content in members:
            bundle.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, *names: str, content: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w") as bundle:
        for name in names:
            bundle.writestr(zipfile.ZipInfo(name), content)
    return path


def tree(root: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


def refused(archive: Path, message: str, limits: Limits | None = None) -> None:
    """`archive` is refused with `message`, and leaves nothing behind."""
    before = set(archive.parent.rglob("*"))
    with pytest.raises(BadArchive, match=message):
        extract(archive, archive.parent / "out", limits)
    assert set(archive.parent.rglob("*")) == before


GOOD = (member("a", kind=tarfile.DIRTYPE), member("a/b.txt", b"one"), member("c.txt", b"two"))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar(tmp_path: Path, mode: str, form: int) -> None:
    extract(tar(tmp_path / "some.name", *GOOD, mode=mode, form=form), tmp_path / "out")
    assert tree(tmp_path / "out") == {"a": None, "a/b.txt": b"one", "c.txt": b"two"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_kind_of_zip(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "some.name", "w", method) as bundle:
        bundle.writestr("a/", "")
        bundle.writestr("a/b.txt", "one")
        bundle.writestr("c.txt", "two")
    extract(tmp_path / "some.name", tmp_path / "out")
    assert tree(tmp_path / "out") == {"a": None, "a/b.txt": b"one", "c.txt": b"two"}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_whose_last_member_is_a_zip_is_a_tar(tmp_path: Path, mode: str) -> None:
    """torch.save and TorchScript write zips, and gzip need not compress."""
    inner = zipped(tmp_path / "model.pth", "inside").read_bytes()
    outer = tar(tmp_path / "model.tar", member("model.pth", inner), mode="w")
    if mode == "w:gz":
        with outer.open("rb") as plain:
            stored = gzip.compress(plain.read(), 0)
        outer.write_bytes(stored)
    extract(outer, tmp_path / "out")
    assert (tmp_path / "out" / "model.pth").read_bytes() == inner


@pytest.mark.parametrize(
    ("name", "expected"), [("a.zip", True), ("A.TAR.GZ", True), ("b.tgz", True), ("b.gz", False), ("zip", False)]
)
def test_archives_by_name(name: str, expected: bool) -> None:
    assert is_archive(Path(name)) is expected


def test_what_comes_out_is_ours_to_read_and_not_to_run(tmp_path: Path) -> None:
    info, content = member("run.sh", b"#!/bin/sh\n")
    info.mode, info.uid, info.mtime = 0o4777, 1234, 1
    out = extract(tar(tmp_path / "a.tar", (info, content), mode="w"), tmp_path / "out")
    assert (out / "run.sh").stat().st_mode & 0o7111 == 0
    assert out.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("first", ["", "/", ".", "./"])
def test_the_first_member_that_sagemakers_sdk_writes(tmp_path: Path, first: str) -> None:
    archive = tar(tmp_path / "a.tar.gz", member(first, kind=tarfile.DIRTYPE), member("./c.txt", b"x"))
    assert tree(extract(archive, tmp_path / "out")) == {"c.txt": b"x"}


def test_unicode_and_foreign_names_survive(tmp_path: Path) -> None:
    names = ["Ünïcode/画像.jpg", "spaces in/it.jpg", "caf\udce9.jpg", "..hidden", "...", "a..b"]
    out = extract(tar(tmp_path / "a.tar", *(member(name, b"x") for name in names), mode="w"), tmp_path / "out")
    assert {name for name, content in tree(out).items() if content} == set(names)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "a/../../x", "a/..", "..", "\\etc\\x", "..\\x", "a\\..\\..\\x", "//x", "./../x"]
)
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    refused(tar(tmp_path / "a.tar", member("ok", b"x"), member(name, b"x"), mode="w"), "points outside the archive")
    refused(zipped(tmp_path / "a.zip", "ok", name), "points outside the archive")


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"],
    ids=["symlink", "hard link", "character device", "block device", "pipe", "unknown"],
)
def test_what_is_neither_file_nor_directory_is_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tar(tmp_path / "a.tar", member("ok", b"x"), member("bad", kind=kind, link="ok"), mode="w")
    refused(archive, "'bad' is a link or a device")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("bad")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        bundle.writestr(info, "/etc/passwd")
    refused(tmp_path / "a.zip", "'bad' is a link")


@pytest.mark.parametrize("names", [("a", "a"), ("a", "./a"), ("b/a", "b//a")])
def test_members_that_are_there_twice_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    refused(tar(tmp_path / "a.tar", *(member(name, b"x") for name in names), mode="w"), "is there twice")


@pytest.mark.parametrize(
    "members",
    [
        (member("a", b"x"), member("a/b", b"x")),
        (member("a", b"x"), member("a", kind=tarfile.DIRTYPE)),
        (member("a", b"x"), member("a/b/c", kind=tarfile.DIRTYPE)),
        (member("a/b", b"x"), member("a", b"x")),
        (member("", b"x"),),
    ],
)
def test_a_member_that_is_file_and_directory_is_refused(tmp_path: Path, members: tuple[Member, ...]) -> None:
    refused(tar(tmp_path / "a.tar", *members, mode="w"), "both a file and a directory|is there twice")


def test_names_too_long_for_a_disk_are_refused(tmp_path: Path) -> None:
    for name in ("x" * 300, "/".join(["abcdefgh"] * 200), "a/" * DEEPEST + "b"):
        refused(tar(tmp_path / "a.tar", member(name.lstrip("/"), b"x"), mode="w"), "too long a name")


def test_more_members_than_allowed_are_refused(tmp_path: Path) -> None:
    archive = tar(tmp_path / "a.tar", *(member(str(number)) for number in range(5)), mode="w")
    refused(archive, "more than 4 members", Limits(members=4))
    extract(archive, tmp_path / "out", Limits(members=5))


def test_a_bomb_is_refused_when_it_goes_off_and_not_when_it_says_so(tmp_path: Path) -> None:
    limits = Limits(ratio=10, ratio_floor_bytes=10_000)
    archive = tar(tmp_path / "a.tar.gz", member("zeros", bytes(1_000_000)))
    refused(archive, "refused as a bomb", limits)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("zeros", bytes(1_000_000))
    refused(tmp_path / "a.zip", "refused as a bomb", limits)
    extract(archive, tmp_path / "out", Limits(ratio=10, ratio_floor_bytes=1_000_000))


def test_many_small_members_count_together(tmp_path: Path) -> None:
    archive = tar(tmp_path / "a.tar.gz", *(member(str(number), bytes(4000)) for number in range(10)))
    refused(archive, "at '2'", Limits(ratio=1, ratio_floor_bytes=10_000))


def test_the_total_is_limited_whatever_the_ratio(tmp_path: Path) -> None:
    refused(tar(tmp_path / "a.tar", member("a", bytes(5000)), mode="w"), "bomb", Limits(total_bytes=4999))


def test_a_header_that_says_it_is_huge_does_not_fill_the_memory(tmp_path: Path) -> None:
    """A pax header is read into memory whole; here it claims 200 MB and compresses to 200 kB."""
    info, _ = member("x", kind=tarfile.XHDTYPE)
    info.size = 200 * LARGEST_HEADER_BYTES
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        stream.write(info.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(200):
            stream.write(bytes(LARGEST_HEADER_BYTES))
    tracemalloc.start()
    refused(tmp_path / "a.tar.gz", "has a header of")
    assert tracemalloc.get_traced_memory()[1] < 20 * LARGEST_HEADER_BYTES
    tracemalloc.stop()


def test_a_sparse_member_counts_what_it_unpacks_to(tmp_path: Path) -> None:
    """1 GB of holes, 512 bytes on the tape: GNU's old format, made by hand."""
    info, _ = member("holes", kind=tarfile.GNUTYPE_SPARSE)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:398], header[398:410] = b"%011o\0" % 0, b"%011o\0" % 0          # one extent: nothing at nowhere
    header[483:495] = b"%011o\0" % 2**30                                      # its real size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(10240))
    refused(tmp_path / "a.tar", "bomb")


def flip(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_damaged_compression_is_a_bad_archive(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    noise = bytes(index * index % 251 for index in range(20_000))
    tar(tmp_path / "good.tar", member("a", noise), mode="w")
    content = compress((tmp_path / "good.tar").read_bytes())
    (tmp_path / "good.tar").unlink()
    half = len(content) // 2
    for damaged in (content[:20], content[:half], content[:-3], flip(content, 40), flip(content, half)):
        (tmp_path / "a.tar.gz").write_bytes(damaged)
        refused(tmp_path / "a.tar.gz", "cannot be unpacked")


def test_what_follows_the_end_is_read_but_not_for_ever(tmp_path: Path) -> None:
    content = gzip.decompress(tar(tmp_path / "a.tar.gz", *GOOD).read_bytes())
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(content + bytes(LARGEST_PADDING_BYTES + 1), 1))
    refused(tmp_path / "a.tar.gz", "bytes after its end")
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(content + bytes(LARGEST_PADDING_BYTES // 2), 1))
    assert "c.txt" in tree(extract(tmp_path / "a.tar.gz", tmp_path / "out"))


def test_a_damaged_zip_is_a_bad_archive(tmp_path: Path) -> None:
    content = zipped(tmp_path / "a.zip", "a", content=b"some content " * 40).read_bytes()
    for damaged in (content[:-10], flip(content, 40), content.replace(b"a", b"b", 1)):
        (tmp_path / "a.zip").write_bytes(damaged)
        refused(tmp_path / "a.zip", "cannot be unpacked")


def test_an_encrypted_zip_is_a_bad_archive(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "a.zip", "a").read_bytes())
    content[6] |= 1                                         # the flag in the member's own header
    content[content.index(b"PK\x01\x02") + 8] |= 1          # and in the directory
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", "password|encrypted")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\0" * 100, b"\xff" * 2000]
)
def test_what_is_no_archive_is_a_bad_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    refused(tmp_path / "a.tar", r"a\.tar cannot be unpacked")


def test_a_missing_archive_and_a_folder_are_not_found(tmp_path: Path) -> None:
    for name in ("none.zip", "."):
        with pytest.raises(NotFound, match="there is no archive"):
            extract(tmp_path / name, tmp_path / "out")


def test_a_destination_that_is_there_is_left_alone(tmp_path: Path) -> None:
    archive = tar(tmp_path / "a.tar", *GOOD, mode="w")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(Conflict, match="is there already"):
        extract(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {"mine": b""}


def test_many_members_in_flat_memory(tmp_path: Path) -> None:
    header = member("same/folder", kind=tarfile.DIRTYPE)[0].tobuf()
    (tmp_path / "a.tar").write_bytes(header * 5_000 + bytes(1024))
    tracemalloc.start()
    out = extract(tmp_path / "a.tar", tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 2_500_000
    tracemalloc.stop()
    assert (out / "same" / "folder").is_dir()


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6), zips=...)
def test_no_mutation_gets_out_or_surprises(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], zips: bool
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    archive = zipped(folder / "a", "d/x", "y") if zips else tar(folder / "a", *GOOD, mode="w")
    content = bytearray(archive.read_bytes())
    for position, value in changes:
        content[position % len(content)] = value
    archive.write_bytes(content)
    try:
        extract(archive, folder / "sub" / "out")
    except TintypeError:
        assert not (folder / "sub" / "out").exists()
    outside = [path for path in folder.rglob("*") if "sub" not in path.parts[len(folder.parts) :] and path != archive]
    assert outside == []
    assert not any(path.is_symlink() for path in folder.rglob("*"))
