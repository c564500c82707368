"""Every kind of problem, each from a file or a folder that has it."""

from __future__ import annotations

import io
import json
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tintype.datasets.checks import CheckReport, check
from tintype.datasets.folder import open_dataset
from tintype.datasets.problems import KINDS, MOST_NAMED, DataProblem, Severity

PER_CLASS = 22


def picture(seed: int, width: int = 48, height: int = 36) -> Image.Image:
    """Smooth blobs: no two seeds resemble each other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes in train and valid, without a fault."""
    number = 0
    for folder, count in {"train": PER_CLASS, "valid": 4}.items():
        for name in ("ants", "bees"):
            (tmp_path / "photos" / folder / name).mkdir(parents=True)
            for position in range(count):
                number += 1
                picture(number).save(tmp_path / "photos" / folder / name / f"{position}.jpg", quality=90)
    return tmp_path / "photos"


def checked(root: Path, **options: int) -> CheckReport:
    return check(open_dataset(root, workdir=root.parent / "work"), workers=2, **options)


def only(report: CheckReport) -> DataProblem:
    assert len(report.problems) == 1, [problem.kind for problem in report.problems]
    return report.problems[0]


def by_kind(report: CheckReport) -> dict[str, DataProblem]:
    return {problem.kind: problem for problem in report.problems}


# a set without a fault


def test_nothing_wrong(root: Path) -> None:
    report = checked(root)
    assert report.problems == ()
    assert (report.images, report.usable) == (52, 52)
    assert report.classes == ("ants", "bees")
    assert report.splits == {"train": {"ants": 22, "bees": 22}, "valid": {"ants": 4, "bees": 4}}
    assert report.formats == {"JPEG": 52}
    assert report.sizes["width"] == {0: 48, 5: 48, 50: 48, 95: 48, 100: 48}
    assert report.sizes["height"][50] == 36
    assert report.sizes["bytes"][100] == max(file.stat().st_size for file in root.rglob("*.jpg"))


def test_progress_is_told(root: Path) -> None:
    told: list[tuple[int, int]] = []
    check(open_dataset(root, workdir=root.parent / "work"), progress=lambda done, count: told.append((done, count)))
    assert told[-1] == (52, 52)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


# files that cannot be used


def bomb() -> bytes:
    """A PNG whose header claims 100,000 x 100,000 pixels, in 70 bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def damaged() -> bytes:
    content = bytearray(encoded(picture(900, 200, 150), "PNG"))
    content[len(content) // 2] ^= 0xFF
    return bytes(content)


BROKEN: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "text named .jpg": ("a.jpg", lambda: b"just some text", "not-an-image"),
    "a text file": ("notes.txt", lambda: b"these are ants", "not-an-image"),
    "half a JPEG": ("a.jpg", lambda: encoded(picture(901, 300, 200))[:2000], "truncated"),
    "half a PNG": ("a.png", lambda: encoded(picture(902, 300, 200), "PNG")[:4000], "truncated"),
    "a JPEG header": ("a.jpg", lambda: encoded(picture(903))[:20], "truncated"),
    "nothing": ("a.jpg", lambda: b"", "empty-file"),
    "a bomb": ("a.png", bomb, "too-large"),
    "a damaged PNG": ("a.png", damaged, "unreadable"),
}


@pytest.mark.parametrize(("name", "content", "kind"), BROKEN.values(), ids=BROKEN)
def test_files_that_cannot_be_used(root: Path, name: str, content: Callable[[], bytes], kind: str) -> None:
    (root / "train/ants" / name).write_bytes(content())
    report = checked(root)
    problem = only(report)
    assert (problem.kind, problem.count, problem.files) == (kind, 1, (f"train/ants/{name}",))
    assert problem.severity is Severity.ERROR
    assert problem.details[0].startswith(f"train/ants/{name}: ")
    assert "--strict" in problem.advice
    assert (report.images, report.usable) == (53, 52)


def test_files_that_are_listed_but_not_there(root: Path) -> None:
    (root / "train/ants/gone.jpg").symlink_to("nowhere.jpg")
    assert only(checked(root)).kind == "missing-file"


def test_a_file_that_may_not_be_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(root, workdir=root.parent / "work")
    opened = os.open

    def closed(path: str | Path, *arguments: int, **options: int) -> int:    # root may open everything
        if str(path).endswith("train/ants/7.jpg"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", closed)
    problem = only(check(dataset, workers=1))
    assert (problem.kind, problem.files) == ("unreadable", ("train/ants/7.jpg",))
    assert "Permission denied" in problem.details[0]


def test_the_pixel_limit_is_the_callers(root: Path) -> None:
    problem = by_kind(checked(root, max_pixels=1000))["too-large"]
    assert problem.count == 52
    assert "the limit is 1,000 pixels" in problem.details[0]


# files that are peculiar


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture(910), exif=exif)


def animated() -> bytes:
    frames = [picture(911), picture(912)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def sixteen_bits() -> bytes:
    return encoded(Image.fromarray(np.asarray(picture(913).convert("L"), np.uint16) * 257), "PNG")


def transparent() -> bytes:
    image = picture(914).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return encoded(image, "PNG")


PECULIAR: dict[str, tuple[str, Callable[[], bytes]]] = {
    "rotated": ("new.jpg", turned),
    "cmyk": ("new.jpg", lambda: encoded(picture(915).convert("CMYK"))),
    "sixteen-bit": ("new.png", sixteen_bits),
    "alpha": ("new.png", transparent),
    "animated": ("new.gif", animated),
    "odd-extension": ("new.png", lambda: encoded(picture(916))),
    "blank": ("new.jpg", lambda: encoded(Image.new("RGB", (48, 36), "white"))),
}


@pytest.mark.parametrize("kind", PECULIAR)
def test_peculiar_files(root: Path, kind: str) -> None:
    name, content = PECULIAR[kind]
    (root / "train/ants" / name).write_bytes(content())
    report = checked(root)
    problem = only(report)
    assert (problem.kind, problem.count, problem.files) == (kind, 1, (f"train/ants/{name}",))
    assert problem.severity is (Severity.WARNING if kind == "blank" else Severity.NOTE)
    assert " x " in problem.details[0]
    assert report.usable == 53


def test_a_size_is_told_as_it_is_seen(root: Path) -> None:
    (root / "train/ants/turned.jpg").write_bytes(turned())
    assert only(checked(root)).details == ("train/ants/turned.jpg: JPEG, 36 x 48 pixels",)


def test_the_one_of_another_format(root: Path) -> None:
    for number in range(60):
        picture(1000 + number).save(root / f"train/{('ants', 'bees')[number % 2]}/more{number}.jpg")
    picture(999).save(root / "train/ants/imageNotFound.gif")
    problem = only(checked(root))
    assert (problem.kind, problem.files) == ("unusual-format", ("train/ants/imageNotFound.gif",))
    assert problem.details == ("train/ants/imageNotFound.gif: GIF, 48 x 36 pixels",)


# copies


def copy(root: Path, source: str, target: str) -> None:
    (root / target).write_bytes((root / source).read_bytes())


def resave(root: Path, source: str, target: str) -> None:
    Image.open(root / source).resize((96, 72), Image.Resampling.BICUBIC).save(root / target, quality=80)


@pytest.mark.parametrize(("make", "kind"), [(copy, "duplicate"), (resave, "near-duplicate")])
def test_copies_inside_a_split(root: Path, make: Callable[[Path, str, str], None], kind: str) -> None:
    make(root, "train/ants/0.jpg", "train/ants/copy.jpg")
    make(root, "train/ants/1.jpg", "train/ants/another.jpg")
    problem = only(checked(root))
    assert (problem.kind, problem.count) == (kind, 4)
    assert problem.groups == (
        ("train/ants/0.jpg", "train/ants/copy.jpg"),
        ("train/ants/1.jpg", "train/ants/another.jpg"),
    )
    assert problem.details[0] == "train/ants/0.jpg (train, ants) = train/ants/copy.jpg (train, ants)"


@pytest.mark.parametrize(("make", "kind"), [(copy, "duplicate"), (resave, "near-duplicate")])
def test_copies_across_splits(root: Path, make: Callable[[Path, str, str], None], kind: str) -> None:
    make(root, "train/ants/0.jpg", "valid/ants/copy.jpg")
    problem = only(checked(root))
    assert (problem.kind, problem.count) == (f"{kind}-across-splits", 2)
    assert problem.files == ("train/ants/0.jpg", "valid/ants/copy.jpg")
    assert problem.severity is Severity.WARNING


@pytest.mark.parametrize("make", [copy, resave])
def test_one_picture_in_two_classes(root: Path, make: Callable[[Path, str, str], None]) -> None:
    make(root, "train/ants/0.jpg", "train/bees/copy.jpg")
    problem = by_kind(checked(root))["label-conflict"]
    assert problem.count == 2
    assert problem.details == ("train/ants/0.jpg (train, ants) = train/bees/copy.jpg (train, bees)",)


def test_empty_and_blank_files_are_no_copies_of_each_other(root: Path) -> None:
    for number in range(3):
        (root / f"train/ants/empty{number}.jpg").touch()
        Image.new("RGB", (48, 36), (0, 90 * number, 0)).save(root / f"train/bees/blank{number}.jpg")
    assert set(by_kind(checked(root))) == {"empty-file", "blank"}


# classes


def fill(root: Path, **classes: int) -> None:
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            picture(hash_of(name) + number, 16, 12).save(root / name / f"{number}.png")


def hash_of(name: str) -> int:
    return zlib.crc32(name.encode())


def test_one_class(tmp_path: Path) -> None:
    fill(tmp_path / "photos", ants=40)
    problem = only(checked(tmp_path / "photos"))
    assert (problem.kind, problem.severity) == ("single-class", Severity.ERROR)
    assert problem.details == ("classes found: ants",)


def test_classes_of_unequal_size_and_small_ones(tmp_path: Path) -> None:
    fill(tmp_path / "photos", ants=100, bees=30, wasps=10)
    problems = by_kind(checked(tmp_path / "photos"))
    assert set(problems) == {"imbalance", "few-images"}
    assert problems["imbalance"].details == ("'ants' has 70 images to train on, 'wasps' has 6",)
    assert problems["imbalance"].count == 2
    assert problems["few-images"].details == ("the class 'wasps' has 6 images to train on",)


def test_a_class_that_a_split_lacks(root: Path) -> None:
    for file in (root / "valid/bees").iterdir():
        file.write_bytes(b"broken")
    problems = by_kind(checked(root))
    assert set(problems) == {"not-an-image", "missing-class"}
    assert problems["missing-class"].details == ("the class 'bees' has no usable image in valid",)
    usable = checked(root).usable_splits["valid"]
    assert usable["ants"]
    assert not usable.get("bees")


def test_a_class_that_is_misspelt_in_a_split(root: Path) -> None:
    (root / "valid/bees").rename(root / "valid/Bees")
    missing = by_kind(checked(root))["missing-class"]
    assert missing.count == 2
    assert "the class 'Bees' has no usable image in train" in missing.details


# the report


def test_every_kind_has_advice_and_a_test() -> None:
    tested = {kind for _, _, kind in BROKEN.values()} | set(PECULIAR) | {
        "missing-file", "unusual-format", "single-class", "missing-class", "similar-classes", "imbalance", "few-images",
        "label-conflict", "duplicate", "duplicate-across-splits", "near-duplicate", "near-duplicate-across-splits",
    }  # fmt: skip
    assert tested == set(KINDS)
    assert all(len(kind.advice) > 60 and kind.advice.endswith(".") for kind in KINDS.values())
    gravity = [list(Severity).index(kind.severity) for kind in KINDS.values()]
    assert gravity == sorted(gravity)


def test_long_lists_are_cut_and_counted(root: Path) -> None:
    for number in range(MOST_NAMED + 10):
        (root / f"train/ants/empty{number}.jpg").touch()
    problem = only(checked(root))
    assert problem.count == MOST_NAMED + 10
    assert len(problem.files) == len(problem.details) == MOST_NAMED


def test_the_report_as_json(root: Path) -> None:
    (root / "train/ants/empty.jpg").touch()
    copy(root, "train/ants/0.jpg", "valid/bees/copy.jpg")
    document = json.loads(json.dumps(checked(root).to_json()))
    assert document["classes"] == ["ants", "bees"]
    assert document["images"] == 54
    assert document["splits"]["valid"] == {"ants": 4, "bees": 5}
    assert document["sizes"]["width"]["p50"] == 48
    assert [problem["kind"] for problem in document["problems"]] == [
        "empty-file",
        "duplicate-across-splits",
        "label-conflict",
    ]
    assert set(document["problems"][1]) == {
        "kind", "count", "files", "details", "groups", "severity", "title", "advice",
    }  # fmt: skip
    assert document["problems"][1]["groups"] == [["train/ants/0.jpg", "valid/bees/copy.jpg"]]


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        folder = tmp_path / f"{count}"
        if not folder.exists():
            fill(folder, ants=count, bees=count)
        dataset = open_dataset(folder, workdir=tmp_path / "work")
        tracemalloc.start()
        check(dataset, workers=2)
        _, used = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return used

    few, many = (min(peak(count) for _ in range(3)) for count in (100, 500))      # how the threads meet is chance
    assert (many - few) / 800 < 1_000                   # bytes per file


# real images


def test_ants_and_bees(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    report = check(open_dataset(shared_data("hymenoptera"), workdir=tmp_path))
    assert (report.images, report.usable) == (398, 398)
    problem = only(report)
    assert (problem.kind, problem.files) == ("unusual-format", ("train/ants/imageNotFound.gif",))


def test_cifar(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    report = check(open_dataset(shared_data("cifar10-small"), workdir=tmp_path))
    assert (report.images, report.usable, report.problems) == (3000, 3000, ())


def test_classes_that_are_one_written_twice(root: Path) -> None:
    for split, count in (("train", PER_CLASS), ("valid", 4)):
        for offset, name in enumerate(("Ants", "black ant", "black_Ant", "-1", "1")):
            (root / split / name).mkdir()
            for position in range(count):
                number = 1000 + 100 * offset + 50 * (split == "valid") + position
                picture(number).save(root / split / name / f"{position}.jpg", quality=90)
    problem = only(checked(root))
    assert (problem.kind, problem.count) == ("similar-classes", 2)
    assert problem.details == ("the classes 'Ants' and 'ants'", "the classes 'black ant' and 'black_Ant'")
