"""Every layout of a folder, every source of one, and what is refused."""

from __future__ import annotations

import os
import shutil
import tarfile
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Iterable
from pathlib import Path

import fsspec
import pytest

from tintype.datasets.dataset import Dataset
from tintype.datasets.folder import open_dataset
from tintype.errors import BadArchive, BadData, InvalidRequest, NotFound

SHARED = Path(__file__).parents[2] / "../shared/data"


def make(root: Path, *paths: str) -> Path:
    """Files below `root`, each with a content of its own: an index does not look at it."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def images(*folders: str, count: int = 2) -> Iterable[str]:
    return (f"{folder}/{number}.jpg" for folder in folders for number in range(count))


def sums(dataset: Dataset) -> dict[str, int]:
    return {split: sum(classes.values()) for split, classes in dataset.counts().items()}


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "photos"


# layouts


def test_class_folders_are_split_by_class(root: Path, workdir: Path) -> None:
    dataset = open_dataset(make(root, *images("bees", "ants", count=20)), workdir=workdir)
    assert dataset.layout == "class folders"
    assert dataset.classes == ("ants", "bees")
    assert dataset.counts() == {
        "train": {"ants": 14, "bees": 14},
        "valid": {"ants": 3, "bees": 3},
        "test": {"ants": 3, "bees": 3},
    }
    assert any("15% as valid and 15% as test (seed 0" in note for note in dataset.notes)
    assert dataset.file(0).read_text() == dataset.paths[0] == "ants/0.jpg"


@pytest.mark.parametrize("train", ["train", "Train", "TRAINING", "seg_train"])
@pytest.mark.parametrize("valid", ["valid", "val", "Validation", "dev"])
@pytest.mark.parametrize("test", ["test", "Testing", "seg-test"])
def test_split_folders_in_any_of_their_names(root: Path, workdir: Path, train: str, valid: str, test: str) -> None:
    make(root, *images(f"{train}/ants", f"{train}/bees", f"{valid}/ants", f"{test}/bees"))
    dataset = open_dataset(root, workdir=workdir)
    assert dataset.layout == "train/valid/test"
    assert dataset.counts() == {
        "train": {"ants": 2, "bees": 2},
        "valid": {"ants": 2, "bees": 0},
        "test": {"ants": 0, "bees": 2},
    }
    assert not workdir.exists()


def test_no_test_is_carved_where_there_is_a_valid_split(root: Path, workdir: Path) -> None:
    dataset = open_dataset(make(root, *images("train/a", "train/b", "val/a", "val/b", count=10)), workdir=workdir)
    assert sums(dataset) == {"train": 20, "valid": 20}


def test_valid_is_carved_out_of_train_where_there_is_only_a_test(root: Path, workdir: Path) -> None:
    dataset = open_dataset(make(root, *images("train/a", "train/b", "test/a", "test/b", count=20)), workdir=workdir)
    assert sums(dataset) == {"train": 34, "valid": 6, "test": 40}
    assert all(dataset.paths[index].startswith("train/") for index in dataset.indices("valid"))


def test_train_alone_is_split_like_class_folders(root: Path, workdir: Path) -> None:
    dataset = open_dataset(make(root, *images("train/a", "train/b", count=20)), workdir=workdir)
    assert sums(dataset) == {"train": 28, "valid": 6, "test": 6}
    assert dataset.classes == ("a", "b")


@pytest.mark.parametrize("twice", [False, True])
def test_the_intel_scenes(root: Path, workdir: Path, twice: bool) -> None:
    train, test, pred = (f"{name}/{name}" if twice else name for name in ("seg_train", "seg_test", "seg_pred"))
    loose = (f"{pred}/{number}.jpg" for number in range(5))
    make(root, *images(f"{train}/forest", f"{train}/sea", f"{test}/forest", f"{test}/sea", count=10), *loose)
    dataset = open_dataset(root, workdir=workdir)
    assert dataset.layout == "train/test/unlabelled"
    assert dataset.classes == ("forest", "sea")
    assert sums(dataset) == {"train": 16, "valid": 4, "test": 20, "unlabelled": 5}


def test_a_test_folder_without_classes_is_unlabelled(root: Path, workdir: Path) -> None:
    dataset = open_dataset(make(root, *images("train/a", "train/b", "test")), workdir=workdir)
    assert dataset.counts()["unlabelled"] == {"": 2}
    assert any("test/ has no class folders" in note for note in dataset.notes)


def test_files_below_a_class_folder_belong_to_the_class(root: Path, workdir: Path) -> None:
    make(root, *images("train/a/2024/may", "train/b", "val/a", "val/b/deep/er"))
    assert open_dataset(root, workdir=workdir).counts() == {
        "train": {"a": 2, "b": 2},
        "valid": {"a": 2, "b": 2},
    }


def test_a_class_may_be_called_train(root: Path, workdir: Path) -> None:
    dataset = open_dataset(make(root, *images("train", "bus", "car/red")), workdir=workdir)
    assert dataset.classes == ("bus", "car", "train")
    nested = make(root.with_name("nested"), *images("train/steam", "train/diesel", "bus", "car"))
    assert open_dataset(nested, workdir=workdir).classes == ("bus", "car", "train")


def test_what_is_beside_the_splits_is_left_out_and_said(root: Path, workdir: Path) -> None:
    make(root, *images("train/a", "train/b", "val/a", "extra/c"), "train/loose.jpg", "docs/readme.txt")
    dataset = open_dataset(root, workdir=workdir)
    assert dataset.classes == ("a", "b")
    notes = " ".join(dataset.notes)
    assert "extra/ is no split" in notes
    assert "1 images in train/ beside the class folders" in notes


def test_outer_folders_that_hold_only_one_inner_are_stepped_into(root: Path, workdir: Path) -> None:
    inner = make(root, *images("download/photos/a", "download/photos/b"), "download/LICENSE", "download/info/a.xml")
    dataset = open_dataset(inner, workdir=workdir)
    assert dataset.root == root / "download/photos"
    assert dataset.classes == ("a", "b")
    assert any("left out: info" in note for note in dataset.notes)


def test_a_manifest_beside_the_images(root: Path, workdir: Path) -> None:
    make(root, *images("images", "masks", count=4))
    (root / "labels.csv").write_text("image,label\n0.jpg,a\n1.jpg,b\n2.jpg,a\n3.jpg,b\n")
    dataset = open_dataset(root, workdir=workdir)
    assert dataset.layout == "manifest csv"
    assert dataset.paths[0] == "images/0.jpg"
    assert "labels.csv: the images were found as images/<path>" in dataset.notes


def test_a_manifest_of_other_files_does_not_hide_class_folders(root: Path, workdir: Path) -> None:
    make(root, *images("ants", "bees"))
    (root / "labels.csv").write_text("path,label\n/home/somebody/1.jpg,a\n/home/somebody/2.jpg,b\n")
    dataset = open_dataset(root, workdir=workdir)
    assert dataset.classes == ("ants", "bees")
    assert "labels.csv lists none of the files here and was left out" in dataset.notes


def test_a_manifest_per_split(root: Path, workdir: Path) -> None:
    make(root, *images("images", count=4))
    (root / "train.csv").write_text("path,label\nimages/0.jpg,a\nimages/1.jpg,b\n")
    (root / "val.csv").write_text("path,label\nimages/2.jpg,a\nimages/3.jpg,b\n")
    assert sums(open_dataset(root, workdir=workdir)) == {"train": 2, "valid": 2}
    shutil.copy(root / "train.csv", root / "more.csv")
    with pytest.raises(BadData, match=r"several manifests \(more.csv, train.csv, val.csv\); give the one"):
        open_dataset(root, workdir=workdir)


def test_a_single_class_is_indexed(root: Path, workdir: Path) -> None:
    dataset = open_dataset(make(root, *images("ants", count=10)), workdir=workdir)
    assert dataset.classes == ("ants",)


def test_a_class_that_a_split_lacks_counts_nothing(root: Path, workdir: Path) -> None:
    dataset = open_dataset(make(root, *images("train/a", "train/b", "test/b")), workdir=workdir)
    assert dataset.counts()["test"] == {"a": 0, "b": 2}


# names


def test_names_of_all_kinds(root: Path, workdir: Path) -> None:
    folders = ["été à la plage", "日本", "with spaces and, commas", "emoji 🐝", "per%20cent"]
    dataset = open_dataset(make(root, *images(*folders, count=5)), workdir=workdir)
    assert set(dataset.classes) == set(folders)
    assert all(dataset.file(index).exists() for index in range(len(dataset)))
    again = open_dataset(root, workdir=workdir)
    assert again.fingerprint == dataset.fingerprint


def test_names_that_are_not_utf8_are_left_out_and_said(root: Path, workdir: Path) -> None:
    make(root, *images("ants", "bees"))
    with open(os.fsencode(root) + b"/ants/caf\xe9.jpg", "wb") as stream:
        stream.write(b"x")
    dataset = open_dataset(root, workdir=workdir)
    assert len(dataset) == 4
    assert any("1 files whose names are not UTF-8 were left out; rename them: 'ants/caf" in n for n in dataset.notes)
    os.mkdir(os.fsencode(root) + b"/caf\xe9")
    with pytest.raises(BadData, match=r"the name of the folder 'caf\\udce9' in .*photos is not UTF-8; rename it"):
        open_dataset(root, workdir=workdir)


def test_one_letter_in_two_spellings_is_one_class(root: Path, workdir: Path) -> None:
    composed, split = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    dataset = open_dataset(make(root, *images(f"train/{composed}", "train/tea", f"val/{split}")), workdir=workdir)
    assert dataset.classes == ("café", "tea")


def test_junk_is_passed_over(root: Path, workdir: Path) -> None:
    make(root, *images("a", "b", "__MACOSX/a", ".hidden"))
    make(root, "a/.DS_Store", "a/Thumbs.db", "a/desktop.ini", "a/._0.jpg", ".DS_Store", "b/.ipynb_checkpoints/0.jpg")
    dataset = open_dataset(root, workdir=workdir)
    assert list(dataset.paths) == ["a/0.jpg", "a/1.jpg", "b/0.jpg", "b/1.jpg"]


def test_files_that_are_no_images_are_indexed_for_the_check_to_find(root: Path, workdir: Path) -> None:
    dataset = open_dataset(make(root, *images("a", "b"), "a/notes.txt", "a/without_suffix"), workdir=workdir)
    assert {"a/notes.txt", "a/without_suffix"} <= set(dataset.paths)


# links, pipes, permissions


def test_a_linked_class_folder_is_followed(root: Path, tmp_path: Path, workdir: Path) -> None:
    make(tmp_path / "elsewhere", *images("bees"))
    make(root, *images("ants"))
    (root / "bees").symlink_to(tmp_path / "elsewhere/bees")
    dataset = open_dataset(root, workdir=workdir)
    assert list(dataset.paths) == ["ants/0.jpg", "ants/1.jpg", "bees/0.jpg", "bees/1.jpg"]


def test_loops_end_and_a_folder_is_read_once(root: Path, workdir: Path) -> None:
    make(root, *images("ants", "bees"))
    (root / "ants/loop").symlink_to(root)
    (root / "ants/self").symlink_to(root / "ants")
    (root / "aaa").symlink_to(root / "bees")                     # a link never takes the files of a real folder
    (root / "ants/circle").symlink_to("circle")
    dataset = open_dataset(root, workdir=workdir)
    assert list(dataset.paths) == ["ants/0.jpg", "ants/1.jpg", "ants/circle", "bees/0.jpg", "bees/1.jpg"]
    assert dataset.classes == ("ants", "bees")
    assert any("links to folders that are read anyway" in note and "aaa" in note for note in dataset.notes)


def test_a_broken_link_is_indexed_as_missing_and_a_pipe_not_at_all(root: Path, workdir: Path) -> None:
    make(root, *images("ants", "bees"))
    (root / "ants/gone.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(root / "ants/pipe.jpg")
    dataset = open_dataset(root, workdir=workdir)
    assert list(dataset.paths)[:3] == ["ants/0.jpg", "ants/1.jpg", "ants/gone.jpg"]
    assert dataset.sizes.tolist()[2] == -1
    assert len(dataset) == 5


def test_a_closed_folder_is_named(root: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(root, *images("ants", "bees"))
    scandir = os.scandir

    def closed(path: str | Path) -> object:              # the tests may run as root, to whom nothing is closed
        if str(path).endswith("bees"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(BadData, match=r"no permission to read .*bees; try: chmod"):
        open_dataset(root, workdir=workdir)


# refusals


def test_loose_images_say_nothing_of_classes(root: Path, workdir: Path) -> None:
    make(root, "1.jpg", "2.JPG", "readme.md")
    with pytest.raises(BadData, match=r"2 images but no class folders.*expected one folder per class"):
        open_dataset(root, workdir=workdir)


def test_loose_images_in_split_folders(root: Path, workdir: Path) -> None:
    with pytest.raises(BadData, match="train has no class folders in it; expected"):
        open_dataset(make(root, *images("train", "test")), workdir=workdir)


def test_splits_without_train(root: Path, workdir: Path) -> None:
    with pytest.raises(BadData, match="test, val but no train/; expected"):
        open_dataset(make(root, *images("val/a", "test/a")), workdir=workdir)


def test_nothing_in_it(root: Path, workdir: Path) -> None:
    root.mkdir()
    with pytest.raises(BadData, match="photos is empty; expected"):
        open_dataset(root, workdir=workdir)
    (root / "ants").mkdir()
    (root / "bees").mkdir()
    with pytest.raises(BadData, match="photos holds no images; expected"):
        open_dataset(root, workdir=workdir)


def test_an_empty_class_folder_is_left_out_and_said(root: Path, workdir: Path) -> None:
    make(root, *images("ants", "bees"))
    (root / "wasps/deep").mkdir(parents=True)
    dataset = open_dataset(root, workdir=workdir)
    assert dataset.classes == ("ants", "bees")
    assert "folders without any file were left out: wasps" in dataset.notes


def test_nothing_there(root: Path, workdir: Path) -> None:
    root.mkdir()
    with pytest.raises(NotFound, match=r"did you mean .*photos"):
        open_dataset(root.with_name("photo"), workdir=workdir)
    with pytest.raises(NotFound, match="give a folder, a zip"):
        open_dataset("/nowhere/at/all", workdir=workdir)
    (root / "link").symlink_to("gone")
    with pytest.raises(NotFound, match="link is a link to gone, and nothing is there; mend it"):
        open_dataset(root / "link", workdir=workdir)
    with pytest.raises(BadData, match="/dev/null is neither a file nor a folder"):
        open_dataset("/dev/null", workdir=workdir)
    with pytest.raises(InvalidRequest, match="no data set is named"):
        open_dataset("", workdir=workdir)


def test_a_file_that_is_no_data_set(root: Path, workdir: Path) -> None:
    with pytest.raises(BadData, match=r"photo.jpg is a file that is not read as a data set; give a folder"):
        open_dataset(make(root, "photo.jpg") / "photo.jpg", workdir=workdir)


def test_an_archive_in_the_folder_is_pointed_out(root: Path, workdir: Path) -> None:
    with pytest.raises(BadData, match=r"no images but photos.zip; give that archive"):
        open_dataset(make(root, "photos.zip"), workdir=workdir)


# archives and URLs


def zipped(root: Path) -> Path:
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as bundle:
        for file in sorted(root.rglob("*")):
            bundle.write(file, file.relative_to(root.parent))
    return root.with_suffix(".zip")


def tarred(root: Path) -> Path:
    with tarfile.open(root.with_suffix(".tar.gz"), "w:gz") as bundle:
        bundle.add(root, root.name)
    return root.with_suffix(".tar.gz")


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    ("paths", "layout"),
    [
        (["a/1.jpg", "b/2.jpg", "__MACOSX/._1.jpg"], "class folders"),
        (["train/a/1.jpg", "train/b/2.jpg", "val/a/3.jpg"], "train/valid"),
        (["labels.csv", "images/1.jpg", "images/2.jpg"], "manifest csv"),
    ],
)
def test_archives_of_every_layout(root: Path, workdir: Path, pack, paths: list[str], layout: str) -> None:
    make(root, *paths)
    if "labels.csv" in paths:
        (root / "labels.csv").write_text("path,label\nimages/1.jpg,a\nimages/2.jpg,b\n")
    archive = pack(root)
    shutil.rmtree(root)
    dataset = open_dataset(archive, workdir=workdir)
    assert dataset.layout == layout
    assert dataset.classes == ("a", "b")
    assert dataset.file(0).exists()
    assert dataset.notes[0] == f"unpacked from {archive.name}"


def test_an_archive_is_unpacked_once_per_content(root: Path, workdir: Path) -> None:
    archive = zipped(make(root, *images("a", "b", count=4)))
    first = open_dataset(archive, workdir=workdir)
    kept = first.file(0).stat().st_ino
    assert open_dataset(archive, workdir=workdir).file(0).stat().st_ino == kept
    make(root, "a/new.jpg")
    zipped(root)
    second = open_dataset(archive, workdir=workdir)
    assert len(second) == len(first) + 1
    before = dict(zip(first.paths, first.splits.tolist(), strict=True))
    after = dict(zip(second.paths, second.splits.tolist(), strict=True))
    assert {path: after[path] for path in before} == before


def test_a_hostile_archive(root: Path, workdir: Path) -> None:
    root.mkdir()
    with zipfile.ZipFile(root / "evil.zip", "w") as bundle:
        bundle.writestr("../../outside.jpg", "x")
    with pytest.raises(BadArchive, match="outside the archive"):
        open_dataset(root / "evil.zip", workdir=workdir)
    assert not (root.parent / "outside.jpg").exists()
    assert not list((workdir / "unpacked").glob("evil*"))


def test_an_archive_that_is_none(root: Path, workdir: Path) -> None:
    with pytest.raises(BadArchive, match=r"photos.tar cannot be unpacked"):
        open_dataset(make(root, "photos.tar") / "photos.tar", workdir=workdir)


def test_file_urls(tmp_path: Path, workdir: Path) -> None:
    root = make(tmp_path / "my photos", *images("a", "b"))
    assert len(open_dataset(root.as_uri(), workdir=workdir)) == 4
    assert len(open_dataset(f"file://{root}", workdir=workdir)) == 4


@pytest.fixture
def memory():
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    for name in filesystem.ls("/", detail=False):
        filesystem.rm(name, recursive=True)


def test_a_folder_at_a_url_is_fetched_once_per_content(memory, workdir: Path) -> None:
    for path in images("a", "b", count=5):
        memory.pipe(f"/bucket/photos/{path}", path.encode())
    first = open_dataset("memory://bucket/photos", workdir=workdir)
    assert first.classes == ("a", "b")
    assert first.file(0).read_text() == "a/0.jpg"
    assert first.notes[0] == "fetched from memory://bucket/photos"
    assert open_dataset("memory://bucket/photos/", workdir=workdir).counts() == first.counts()
    assert len(list((workdir / "fetched").glob("[!.]*"))) == 2      # with and without the slash
    memory.pipe("/bucket/photos/b/new.jpg", b"new")
    assert len(open_dataset("memory://bucket/photos", workdir=workdir)) == 11


def test_archives_and_manifests_at_a_url(memory, root: Path, workdir: Path) -> None:
    memory.pipe("/bucket/photos.zip", zipped(make(root, *images("a", "b"))).read_bytes())
    assert open_dataset("memory://bucket/photos.zip", workdir=workdir).classes == ("a", "b")
    memory.pipe("/table/labels.csv", b"path,label\nimages/1.jpg,x\nimages/2.jpg,y\n")
    memory.pipe("/table/images/1.jpg", b"1")
    memory.pipe("/table/images/2.jpg", b"2")
    dataset = open_dataset("memory://table/labels.csv", workdir=workdir)
    assert dataset.classes == ("x", "y")
    assert dataset.file(1).read_bytes() == b"2"


def test_urls_that_cannot_be_read(memory, workdir: Path) -> None:
    with pytest.raises(NotFound, match="nothing at memory://nowhere"):
        open_dataset("memory://nowhere", workdir=workdir)
    with pytest.raises(InvalidRequest, match="gopher://x cannot be read: Protocol not known"):
        open_dataset("gopher://x", workdir=workdir)


def test_a_url_whose_names_point_outside_is_refused(memory, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe("/bucket/a/1.jpg", b"1")
    listing = {"/bucket/../../etc/cron.d/x": {"type": "file", "size": 1}}
    monkeypatch.setattr(type(memory), "find", lambda *_, **__: listing)
    with pytest.raises(BadData, match="points outside it; refused"):
        open_dataset("memory://bucket", workdir=workdir)


# size


def test_an_index_takes_little_memory(root: Path, workdir: Path) -> None:
    count = 20_000
    for number in range(10):
        (root / f"class {number}").mkdir(parents=True)
    for number in range(count):
        os.close(os.open(root / f"class {number % 10}/image {number:06d}.jpg", os.O_CREAT))
    tracemalloc.start()
    dataset = open_dataset(root, workdir=workdir)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(dataset) == count
    assert sums(dataset) == {"train": 14_000, "valid": 3_000, "test": 3_000}
    assert peak / count < 400                           # bytes per file, of which its name is 26
    assert dataset.paths.nbytes / count < 40


# real images


@pytest.mark.data
@pytest.mark.skipif(not SHARED.exists(), reason="no shared images beside the repository")
def test_the_shared_images(workdir: Path) -> None:
    ants_and_bees = open_dataset(SHARED / "hymenoptera", workdir=workdir)
    assert (ants_and_bees.layout, sums(ants_and_bees)) == ("train/valid", {"train": 245, "valid": 153})
    things = open_dataset(SHARED / "cifar10-small", workdir=workdir)
    assert (things.layout, sums(things)) == ("train/valid/test", {"train": 2000, "valid": 500, "test": 500})
