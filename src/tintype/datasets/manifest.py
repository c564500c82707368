"""A table that lists images: CSV (comma, semicolon or tab) or JSON lines, with a path, a label and perhaps a split.

    path,label,split                {"path": "a/1.jpg", "label": "ant", "split": "train"}
    a/1.jpg,ant,train               {"path": "a/2.jpg", "label": null}
    a/2.jpg,,

Column names may be any of `COLUMNS`, in any case. Paths are relative to the folder of the manifest. A row without a
label is an image to predict ("unlabelled"); a row without a split, in a manifest that has splits, is one to train on.
A file that is listed but not there stays in the index, where `checks` finds it.
"""

from __future__ import annotations

import csv
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from tintype.datasets.dataset import MISSING_SIZE, SPLITS, TEST, TRAIN, UNLABELLED, VALID, Dataset, Index
from tintype.datasets.splits import split_named
from tintype.datasets.walk import IMAGE_SUFFIXES, has_image_name, is_text, list_folder
from tintype.errors import BadData

MANIFEST_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
PROBED_ROWS = 20                                        # looked at to find out where the images are

# column -> the names it goes by, in order of preference
COLUMNS: dict[str, tuple[str, ...]] = {
    "path": ("path", "file", "file_path", "filepath", "file_name", "filename", "image_path", "image_name",
             "image_file", "image", "img", "img_path", "image_id", "id"),
    "label": ("label", "class", "class_name", "classname", "category", "target", "label_name", "labels", "breed",
              "species"),
    "split": ("split", "subset", "set", "partition", "data_set"),
}  # fmt: skip


class Row(NamedTuple):
    """One line of a manifest as it is written. `line` counts from 1."""

    line: int
    path: str
    label: str | None
    split: str


class _Place(NamedTuple):
    """What to put before and after the paths of a manifest to get at the files."""

    before: str
    after: str


HERE = _Place("", "")


def is_manifest(file: Path) -> bool:
    """True when a file's name and its first lines say that it lists images with their labels."""
    if file.suffix.lower() not in MANIFEST_SUFFIXES:
        return False
    try:
        return any(row.label is not None for row in islice(rows(file), PROBED_ROWS))
    except BadData:
        return False


def lists_files_here(file: Path) -> bool:
    """True when one of the first files that a manifest lists is there."""
    return _find_images(file) is not None


def read_manifests(files: Sequence[Path], *, is_copy: bool = False) -> Dataset:
    """The data set that manifests in one folder list together.

    A manifest named after a split (train.csv) puts its rows there unless they say otherwise. With `is_copy` no path
    may lead out of the folder. Raises `BadData` naming the file and the line.
    """
    root = files[0].parent
    index, notes = Index(), list[str]()
    for file in files:
        notes += _read_one(file, index, is_copy=is_copy)
    dataset = index.finish(root, f"manifest {files[0].suffix.lower().removeprefix('.')}", notes)
    if len(dataset) and not (dataset.sizes != MISSING_SIZE).any():
        first = root / dataset.paths[0]
        reason = f"none of the {len(dataset)} files that {files[0]} lists is there (the first: {first})"
        raise BadData(f"{reason}; paths are relative to the folder of the manifest")
    return dataset


def _read_one(file: Path, index: Index, *, is_copy: bool) -> list[str]:
    """Add the rows of `file` to `index`; what there is to say about them."""
    root, place, default = str(file.parent), _find_images(file) or HERE, split_named(file.stem)
    without_label = without_split = 0
    for row in rows(file):
        split = _split_of(file, row, default)
        without_label += row.label is None and split != UNLABELLED
        without_split += split is None and row.label is not None
        path = _normal(f"{place.before}{row.path}{place.after}")
        if is_copy and (os.path.isabs(path) or path.startswith("..")):
            raise BadData(f"{file}, line {row.line}: {row.path!r} leads out of the data set; refused")
        index.add(path, row.label, TRAIN if split is None else split, *_size_and_time(os.path.join(root, path)))
    notes = []
    if place != HERE:
        notes.append(f"{file.name}: the images were found as {place.before}<path>{place.after}")
    if without_label:
        notes.append(f"{file.name}: {without_label} rows without a label were taken as unlabelled")
    if without_split and index.has_split(VALID, TEST):
        notes.append(f"{file.name}: {without_split} rows without a split were taken for training")
    return notes


def rows(file: Path) -> Iterator[Row]:
    """The rows of a manifest. Raises `BadData` naming the line that cannot be read."""
    lines = _json_lines if file.suffix.lower() in (".jsonl", ".ndjson") else _csv_lines
    try:
        with file.open(encoding=_encoding(file), newline="") as stream:
            yield from lines(file, stream)
    except UnicodeError as error:
        raise BadData(f"{file} is not UTF-8 text ({error}); save it as UTF-8") from error
    except OSError as error:
        raise BadData(f"{file} cannot be read: {error.strerror}") from error


def _csv_lines(file: Path, stream: IO[str]) -> Iterator[Row]:
    first = stream.readline()
    stream.seek(0)
    reader = csv.reader(stream, delimiter=max(",;\t", key=first.count), strict=True, skipinitialspace=True)
    try:
        header = next(reader, [])
        columns = _columns(header)
        if not {"path", "label"} <= columns.keys():      # no header: path,label[,split]
            columns = {name: position for position, name in enumerate(list(COLUMNS)[: len(header)])}
            if not (len(header) in (2, 3) and header[0].strip().lower().endswith(IMAGE_SUFFIXES)):
                raise _unknown_columns(file, header)
            yield _row(file, 1, {name: header[position] for name, position in columns.items()})
        for cells in reader:
            if any(cells):
                found = {name: cells[at] for name, at in columns.items() if at < len(cells)}
                yield _row(file, reader.line_num, found)
    except csv.Error as error:
        raise BadData(f"{file}, line {reader.line_num}: {error}") from error


def _json_lines(file: Path, stream: IO[str]) -> Iterator[Row]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError as error:
            raise BadData(f"{file}, line {number}: not JSON ({error}); give one object per line") from error
        if not isinstance(document, dict):
            raise BadData(f'{file}, line {number}: expected an object such as {{"path": "a.jpg", "label": "ant"}}')
        columns = _columns(list(document))
        if "path" not in columns:                        # without a label it is unlabelled
            raise _unknown_columns(file, list(document), number)
        values = list(document.values())
        yield _row(file, number, {name: values[position] for name, position in columns.items()})


def _columns(header: Sequence[str]) -> dict[str, int]:
    """{"path": position, "label": ..., "split": ...} of the columns that are there."""
    names = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in header]
    found = {column: next((names.index(name) for name in known if name in names), None)
             for column, known in COLUMNS.items()}  # fmt: skip
    return {column: position for column, position in found.items() if position is not None}


def _unknown_columns(file: Path, header: Sequence[str], line: int = 1) -> BadData:
    found = ", ".join(header[:10]) or "nothing"
    return BadData(f"{file}, line {line}: no columns for path and label (found: {found}); "
                   f"name them path,label or path,label,split")  # fmt: skip


def _row(file: Path, line: int, cells: dict[str, Any]) -> Row:
    path = cells.get("path")
    if not isinstance(path, str | int) or not str(path).strip():
        raise BadData(f"{file}, line {line}: there is no path")
    if "\0" in str(path):
        raise BadData(f"{file}, line {line}: the path {path!r} has a NUL character in it")
    label = cells.get("label")
    if isinstance(label, list | dict):
        raise BadData(f"{file}, line {line}: the label is {label!r}; an image has one label here, a word or a number")
    text = "" if label is None else str(label).strip()
    if not is_text(f"{path}{text}"):                     # JSON may spell half of a character: "\\ud800"
        raise BadData(f"{file}, line {line}: half of a character in {path!r} or {text!r}; write it out")
    return Row(line, str(path).strip(), text or None, str(cells.get("split") or "").strip())


def _split_of(file: Path, row: Row, default: int | None) -> int | None:
    if not row.split:
        return default
    split = split_named(row.split)
    if split is None:
        known = ", ".join(SPLITS)
        where = f"{file}, line {row.line}"
        raise BadData(f"{where}: there is no split {row.split!r}; use one of {known}, or leave it empty")
    return split


def _normal(path: str) -> str:
    """With forward slashes, without `./`: Windows wrote some manifests."""
    return os.path.normpath(path if "/" in path else path.replace("\\", "/"))


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return MISSING_SIZE, 0
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else (MISSING_SIZE, 0)


def _find_images(file: Path) -> _Place | None:
    """Where the images are: mostly just where the paths say, sometimes in a folder beside the manifest (as
    Kaggle has it), and sometimes the paths are bare identifiers without a suffix. None when nowhere.
    """
    root = file.parent
    probed = [row.path for row in islice(rows(file), PROBED_ROWS)]
    folders = ["", *(f"{name}/" for name in list_folder(root)[0])]
    suffixes = ("",) if any(has_image_name(path) for path in probed) else ("", *IMAGE_SUFFIXES)
    places = [_Place(folder, suffix) for folder in folders for suffix in suffixes]
    return next((place for place in places if _any_there(root, probed, place)), None)


def _any_there(root: Path, paths: Iterable[str], place: _Place) -> bool:
    return any((root / _normal(f"{place.before}{path}{place.after}")).is_file() for path in paths)


def _encoding(file: Path) -> str:
    with file.open("rb") as stream:
        start = stream.read(2)
    return "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
