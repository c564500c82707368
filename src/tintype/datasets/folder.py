"""The layouts of a folder of images, and `open_dataset`, which reads all of them.

    class folders           photos/ants/1.jpg  photos/bees/2.jpg
    train/valid/test        photos/train/ants/1.jpg  photos/val/ants/2.jpg  photos/test/ants/3.jpg
    train/test/unlabelled   photos/seg_train/forest/1.jpg  photos/seg_test/...  photos/seg_pred/4.jpg
    manifest csv, jsonl     photos/labels.csv beside or above the images

Files below a class folder, at whatever depth, belong to the class. The names for splits are in `splits.SPLIT_NAMES`.
Where images are in one inner folder only, that one is stepped into.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from tintype.datasets.dataset import SPLITS, TRAIN, UNLABELLED, Dataset, Index
from tintype.datasets.manifest import MANIFEST_SUFFIXES, is_manifest, lists_files_here, read_manifests
from tintype.datasets.source import Source, bring_here
from tintype.datasets.split_record import SplitRecord
from tintype.datasets.splits import Shares, complete, split_named
from tintype.datasets.walk import Branch, Walk, has_image_name, holds_images, is_text, list_folder
from tintype.errors import BadData
from tintype.extraction import is_archive

EXPECTED = (
    "expected one folder per class (photos/ants/1.jpg, photos/bees/2.jpg), or such folders inside train/, valid/ and "
    "test/, or a CSV or JSONL file with the columns path,label"
)


def open_dataset(
    location: str | Path,
    *,
    workdir: Path,
    seed: int = 0,
    valid_fraction: float = 0.15,
    test_fraction: float = 0.15,
) -> Dataset:
    """The index of the data set at `location`: a folder, an archive, a manifest, or the URL of one of these.

    Where there is no valid split, `valid_fraction` of each class in train is set aside, and `test_fraction` for the
    test when there is neither; the draw depends on `seed` and on the paths, and is recorded below `workdir` so that
    files added later move none. Archives are unpacked and URLs fetched there too.

    Raises `NotFound`, `BadData` (what was found, and what was expected), `BadArchive`, `InvalidRequest`,
    `StorageFailed`. A set with a single class or with broken files is not refused here: see `checks`.
    """
    shares = Shares(valid_fraction, test_fraction)
    source = bring_here(location, workdir)
    dataset = read_manifests([source.path], is_copy=source.is_copy) if source.path.is_file() else _read(source)
    _refuse_useless(dataset, source)
    dataset = replace(dataset, notes=(*source.notes, *dataset.notes))
    drawn = hashlib.sha256(repr((source.origin, seed, shares)).encode()).hexdigest()[:16]
    return complete(dataset, shares, SplitRecord(workdir / "splits" / f"{drawn}.csv", seed))


def refuse_one_class(dataset: Dataset, location: str) -> None:
    """`BadData` for a set that gives a classifier nothing to tell apart."""
    if len(dataset.classes) < 2:
        only = f"one class, {dataset.classes[0]!r}" if dataset.classes else "no class"
        raise BadData(f"{location} has {only}; a classifier needs at least two, each in a folder of its own")


@dataclass(frozen=True)
class _Layout:
    """How a folder is to be read."""

    name: str
    branches: tuple[Branch, ...]
    notes: tuple[str, ...] = ()


def _read(source: Source) -> Dataset:
    root, notes = _step_inside(source.path)
    if _is_split_layout(root):
        dataset = _read_branches(root, _split_layout(root))
    elif manifests := _manifests(root):
        dataset = read_manifests(manifests, is_copy=source.is_copy)
    else:
        dataset = _read_branches(root, _class_layout(root))
    return replace(dataset, notes=(*notes, *dataset.notes))


def _read_branches(root: Path, layout: _Layout) -> Dataset:
    for branch in layout.branches:
        if not is_text(branch.folder):
            raise BadData(f"the name of the folder {branch.folder!r} in {root} is not UTF-8; rename it")
    index, walk = Index(), Walk(root)
    empty = {branch.folder for branch in layout.branches}
    unnamed: list[str] = []
    for file in walk.files(layout.branches):
        empty.discard(file.branch.folder)
        if is_text(file.path):
            index.add(file.path, file.branch.label, file.branch.split, file.size, file.mtime)
        else:
            unnamed.append(repr(file.path))
    notes = list(layout.notes)
    if unnamed:
        notes.append(f"{len(unnamed)} files whose names are not UTF-8 were left out; rename them: {_some(unnamed)}")
    if walk.skipped:
        notes.append(f"links to folders that are read anyway were left out: {_some(walk.skipped)}")
    if empty - set(walk.skipped):
        notes.append(f"folders without any file were left out: {_some(sorted(empty - set(walk.skipped)))}")
    return index.finish(root, layout.name, notes)


def _step_inside(folder: Path) -> tuple[Path, list[str]]:
    """Past folders of which only one inner folder holds images, as archives often have it, and what there is to say.

    Not into a lone class folder, nor into train/.
    """
    notes: list[str] = []
    while True:
        folders, files = list_folder(folder)
        if any(split_named(one) is not None for one in folders) or any(_is_content(folder / one) for one in files):
            return folder, notes
        holding = [one for one in folders if holds_images(folder / one)]
        if len(holding) != 1:
            return folder, notes
        inner = folder / holding[0]
        inner_folders, inner_files = list_folder(inner)
        if not inner_folders and not any(is_manifest(inner / one) for one in inner_files):
            return folder, notes
        if len(folders) > 1:
            others = [one for one in folders if one != holding[0]]
            notes.append(f"only {holding[0]}/ holds images; left out: {_some(others)}")
        folder = inner


def _is_content(file: Path) -> bool:
    return has_image_name(file.name) or is_manifest(file)


def _is_split_layout(root: Path) -> bool:
    """True when the folders are train, test and so on, and not classes of which one happens to be called "train"."""
    folders, _ = list_folder(root)
    named = [name for name in folders if split_named(name) is not None]
    others = [name for name in folders if name not in named and holds_images(root / name)]
    if not named or (others and len(named) == 1):
        return False
    if any(list_folder(root / name)[0] for name in named):
        return True
    return not others and not _manifests(root)          # loose images in train/ and test/: said to be so, below


def _split_layout(root: Path) -> _Layout:
    branches: list[Branch] = []
    notes: list[str] = []
    folders, files = list_folder(root)
    for name in folders:
        split = split_named(name)
        if split is None:
            notes.append(f"the folder {name}/ is no split and was left out")
            continue
        top = _same_name_inside(root, name)
        classes, loose = list_folder(root / top)
        if split == UNLABELLED or (not classes and split != TRAIN):
            branches.append(Branch(top, None, UNLABELLED))
            if split != UNLABELLED and loose:
                notes.append(f"{top}/ has no class folders: its images were taken as unlabelled")
            continue
        branches += [Branch(f"{top}/{one}", one, split) for one in classes]
        notes += _loose_note(f"{top}/", loose)
    if not any(branch.split == TRAIN for branch in branches):
        train = next((name for name in folders if split_named(name) == TRAIN), None)
        found = f"{root / train} has no class folders in it" if train else f"{root} has {_some(folders)} but no train/"
        raise BadData(f"{found}; {EXPECTED}")
    present = {branch.split for branch in branches}
    name = "/".join(split for position, split in enumerate(SPLITS) if position in present)
    return _Layout(name, tuple(branches), (*notes, *_loose_note("", files)))


def _same_name_inside(root: Path, name: str) -> str:
    """"seg_train/seg_train" for "seg_train" where the one holds just the other, as in the Intel set."""
    path, split = name, split_named(name)
    while True:
        folders, _ = list_folder(root / path)
        if len(folders) != 1 or split_named(folders[0]) != split:
            return path
        path = f"{path}/{folders[0]}"


def _class_layout(root: Path) -> _Layout:
    folders, files = list_folder(root)
    if not folders:
        raise BadData(f"{_without_classes(root, files)}; {EXPECTED}")
    branches = tuple(Branch(name, name, TRAIN) for name in folders)
    stale = [f"{name} lists none of the files here and was left out" for name in files if is_manifest(root / name)]
    return _Layout("class folders", branches, (*stale, *_loose_note("", files)))


def _without_classes(root: Path, files: list[str]) -> str:
    images = sum(map(has_image_name, files))
    archives = [name for name in files if is_archive(Path(name))]
    if images:
        return f"{root} holds {images} images but no class folders, so nothing says what they show"
    if archives:
        return f"{root} holds no images but {_some(archives)}; give that archive, or unpack it"
    return f"{root} holds files but no images" if files else f"{root} is empty"


def _manifests(root: Path) -> list[Path]:
    """The manifests that list this folder's images: one, or one per split. `BadData` when it is not clear which.

    One that lists nothing that is here does not count where there are folders that may be classes.
    """
    folders, files = list_folder(root)
    found = [root / name for name in files if is_manifest(root / name)]
    found = [file for file in found if len(folders) < 2 or lists_files_here(file)]
    per_split = [file for file in found if split_named(file.stem) is not None]
    if len(found) > 1 and len(per_split) < len(found):
        names = _some([file.name for file in found])
        raise BadData(f"{root} holds several manifests ({names}); give the one that is meant")
    return found


def _refuse_useless(dataset: Dataset, source: Source) -> None:
    if not len(dataset):
        what = "lists no images" if source.path.suffix.lower() in MANIFEST_SUFFIXES else "holds no images"
        raise BadData(f"{source.path} {what}; {EXPECTED}")
    if not dataset.indices("train").size:
        found = ", ".join(f"{sum(each.values())} in {split}" for split, each in dataset.counts().items())
        raise BadData(f"{source.path} has no labelled images to train on ({found}); {EXPECTED}")


def _loose_note(folder: str, files: list[str]) -> list[str]:
    loose = sum(map(has_image_name, files))
    where = folder or "the top folder"
    return [f"{loose} images in {where} beside the class folders have no class and were left out"] if loose else []


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
