"""A few images of the shared data, laid out as each of the projects in examples/seeds expects them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from tests.jobs.example_jobs import write_images

Counts = dict[str, tuple[str, int]]             # split → (split of the source, images of each class)

# project → the source, how many classes, the splits
LAYOUTS: dict[str, tuple[str, int, Counts]] = {
    "000_hurricane_damage": (
        "hymenoptera", 2, {"train": ("train", 12), "validation": ("val", 3), "test": ("val", 3)}
    ),
    "001_dog_breeds_resnet18": (
        "hymenoptera", 2, {"train": ("train", 4), "valid": ("val", 1), "test": ("val", 1)}
    ),
    "002_dog_breeds_loss_hooks": (
        "cifar10-small", 3, {"train": ("train", 4), "valid": ("valid", 1), "test": ("test", 1)}
    ),
    "003_intel_scenes": (
        "cifar10-small", 6, {"seg_train": ("train", 5), "seg_test": ("test", 2)}
    ),
    "004_dog_breeds_finetuned": (
        "hymenoptera", 2, {"train": ("train", 4), "valid": ("val", 1), "test": ("val", 1)}
    ),
}  # fmt: skip
CLASSES = {"000_hurricane_damage": ("damage", "no_damage")}
UNLABELLED = 6                                  # photographs in 003's seg_pred


def write_slice(project: str, shared: Path, folder: Path) -> Path:
    """The images of a project; where the shared data is missing, made-up ones in the same layout."""
    source, classes, splits = LAYOUTS[project]
    if (shared / source).is_dir():
        for split, (of, count) in splits.items():
            _copy(shared / source / of, folder / split, classes, count, CLASSES.get(project, ()))
    else:
        write_images(folder, tuple(splits), per_class=4)
    if project == "003_intel_scenes":
        _write_unlabelled(folder)
    if project == "004_dog_breeds_finetuned":
        _cut_short(next((folder / "train").rglob("*.jpg")))
    return folder


def _copy(source: Path, target: Path, classes: int, count: int, names: Iterable[str]) -> None:
    folders = sorted(one for one in source.iterdir() if one.is_dir())[:classes]
    for folder, name in zip(folders, names or [one.name for one in folders], strict=True):
        (target / name).mkdir(parents=True)
        photographs = [one for one in sorted(folder.iterdir()) if _is_image(one)]
        for file in photographs[:count]:
            (target / name / file.name).write_bytes(file.read_bytes())


def _is_image(file: Path) -> bool:
    try:
        with Image.open(file):
            return True
    except UnidentifiedImageError:
        return False


def _write_unlabelled(folder: Path) -> None:
    (folder / "seg_pred").mkdir()
    for number, file in enumerate(sorted((folder / "seg_test").rglob("*.jpg"))[:UNLABELLED]):
        (folder / "seg_pred" / f"{number}.jpg").write_bytes(file.read_bytes())


def _cut_short(file: Path) -> None:
    """As one of the dogs' photographs is."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 3 // 4])
