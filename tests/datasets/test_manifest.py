"""CSV and JSON-lines manifests, as people and programs write them."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.datasets.dataset import NO_LABEL
from tintype.datasets.folder import open_dataset
from tintype.datasets.manifest import Row, is_manifest, read_manifests, rows
from tintype.errors import BadData

FILES = ("a/1.jpg", "a/2.jpg", "b/3.jpg", "b/4.jpg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in FILES:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


def written(root: Path, text: str | bytes, name: str = "labels.csv") -> Path:
    file = root / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def labels(file: Path) -> dict[str, str | None]:
    dataset = read_manifests([file])
    names = (None if label == NO_LABEL else dataset.classes[label] for label in dataset.labels)
    return dict(zip(dataset.paths, names, strict=True))


EXPECTED = {"a/1.jpg": "ant", "b/3.jpg": "bee"}


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na/1.jpg,ant\nb/3.jpg,bee\n",
        "label,path\nant,a/1.jpg\nbee,b/3.jpg",
        "\ufeffPath,Label\r\na/1.jpg,ant\r\nb/3.jpg,bee\r\n",
        "File Name;Class Name\na/1.jpg;ant\nb/3.jpg;bee\n",
        "filename\tcategory\textra\na/1.jpg\tant\t1\nb/3.jpg\tbee\t2\n",
        "id,image,target\n7,a/1.jpg,ant\n8,b/3.jpg,bee\n",
        'path,label\n"a/1.jpg","ant"\n\n"./b//3.jpg"," bee "\n',
        'path, label\na/1.jpg, "ant"\nb/3.jpg, bee\n',
        "path,label\na\\1.jpg,ant\nb\\3.jpg,bee\n",
        "a/1.jpg,ant\nb/3.jpg,bee\n",
        "path,label\na/1.jpg,ant\nb/3.jpg,bee\n".encode("utf-16"),
    ],
    ids=["plain", "order", "windows", "semicolon",
         "tab", "image-or-id", "quotes", "spaces", "backslash", "headless", "utf16"],
)
def test_csv_as_it_comes(root: Path, text: str | bytes) -> None:
    assert labels(written(root, text)) == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        '{"path": "a/1.jpg", "label": "ant"}\n{"label": "bee", "path": "b/3.jpg"}\n',
        '\ufeff{"file_name": "a/1.jpg", "class": "ant"}\r\n\r\n{"file_name": "b/3.jpg", "class": "bee"}',
    ],
)
def test_json_lines_as_they_come(root: Path, text: str) -> None:
    assert labels(written(root, text, "labels.jsonl")) == EXPECTED


def test_labels_that_are_numbers(root: Path) -> None:
    assert labels(written(root, '{"path": "a/1.jpg", "label": 3}\n', "labels.jsonl")) == {"a/1.jpg": "3"}


def test_splits_in_any_of_their_names(root: Path, tmp_path: Path) -> None:
    lines = ["path,label,split", "a/1.jpg,ant,TRAIN", "a/2.jpg,ant,val", "b/3.jpg,bee,Testing", "b/4.jpg,,predict"]
    file = written(root, "\n".join(lines))
    dataset = open_dataset(file, workdir=tmp_path / "work")
    assert dataset.layout == "manifest csv"
    assert dataset.splits.tolist() == [0, 1, 2, 3]
    assert dataset.root == root


def test_without_a_split_column_splits_are_made(root: Path, tmp_path: Path) -> None:
    text = "path,label\n" + "".join(f"{path},ant\n" for path in FILES)
    counts = open_dataset(written(root, text), workdir=tmp_path / "work").counts()
    assert counts == {"train": {"ant": 2}, "valid": {"ant": 1}, "test": {"ant": 1}}


def test_rows_without_a_split_among_rows_with_one_are_for_training(root: Path) -> None:
    dataset = read_manifests([written(root, "path,label,split\na/1.jpg,ant,\na/2.jpg,ant,valid\n")])
    assert dataset.splits.tolist() == [0, 1]
    assert dataset.notes == ("labels.csv: 1 rows without a split were taken for training",)


def test_rows_without_a_label_are_unlabelled(root: Path) -> None:
    lines = ['{"path": "a/1.jpg", "label": "ant"}', '{"path": "a/2.jpg", "label": null}', '{"path": "b/3.jpg"}']
    file = written(root, "\n".join(lines), "labels.jsonl")
    assert labels(file) == {"a/1.jpg": "ant", "a/2.jpg": None, "b/3.jpg": None}
    assert read_manifests([file]).notes == ("labels.jsonl: 2 rows without a label were taken as unlabelled",)


def test_a_missing_file_stays_in_the_index(root: Path) -> None:
    dataset = read_manifests([written(root, "path,label\na/1.jpg,ant\ngone.jpg,ant\na,ant\n")])
    assert dict(zip(dataset.paths, dataset.sizes.tolist(), strict=True)) == {"a/1.jpg": 7, "gone.jpg": -1, "a": -1}


def test_absolute_paths_and_paths_out_of_the_folder(root: Path) -> None:
    inside = root / "lists"
    inside.mkdir()
    file = written(inside, f"path,label\n{root}/a/1.jpg,ant\n../b/3.jpg,bee\n")
    dataset = read_manifests([file])
    assert sorted(dataset.file(index).read_text() for index in range(2)) == ["a/1.jpg", "b/3.jpg"]
    with pytest.raises(BadData, match=r"labels.csv, line 2: .*1.jpg' leads out of the data set; refused"):
        read_manifests([file], is_copy=True)
    with pytest.raises(BadData, match=r"'\.\./b/3.jpg' leads out"):
        read_manifests([written(inside, "path,label\n../b/3.jpg,bee\n")], is_copy=True)


def test_identifiers_without_a_suffix_as_kaggle_has_them(root: Path) -> None:
    file = written(root, "id,breed\n3,beagle\n4,collie\n")
    assert labels(file) == {"b/3.jpg": "beagle", "b/4.jpg": "collie"}
    assert read_manifests([file]).notes == ("labels.csv: the images were found as b/<path>.jpg",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,colour\na/1.jpg,red\n", r"line 1: no columns for path and label \(found: name, colour\)"),
        ("", r"line 1: no columns for path and label \(found: nothing\)"),
        ("path,label\n,ant\n", "line 2: there is no path"),
        ("path,label,split\na/1.jpg,ant,weekly\n", "line 2: there is no split 'weekly'; use one of train, valid"),
        ('path,label\n"a/1.jpg"x,ant\n', "line 2: ',' expected"),
        (b"path,label\na/\xe9.jpg,ant\n", "not UTF-8 text"),
        ("path,label\na/\0.jpg,ant\n", "NUL"),
        ("path,label\nx.jpg,ant\ny.jpg,bee\n", r"none of the 2 files .* is there \(the first: .*x.jpg\)"),
    ],
)
def test_csv_that_cannot_be_read(root: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(BadData, match=message):
        read_manifests([written(root, text)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json\n", "line 1: not JSON"),
        ('{"path": "a/1.jpg", "label": "ant"}\n[1]\n', "line 2: expected an object"),
        ('{"picture": "a/1.jpg"}\n', "line 1: no columns for path and label"),
        ('{"path": "a/1.jpg", "label": ["ant", "bee"]}\n', "an image has one label here"),
        ('{"path": null, "label": "ant"}\n', "line 1: there is no path"),
        ('{"path": "a/1.jpg", "label": "\\ud83d"}\n', "line 1: half of a character"),
    ],
)
def test_json_lines_that_cannot_be_read(root: Path, text: str, message: str) -> None:
    with pytest.raises(BadData, match=message):
        read_manifests([written(root, text, "labels.jsonl")])


def test_a_manifest_that_lists_nothing(root: Path, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="lists no images; expected"):
        open_dataset(written(root, "path,label\n"), workdir=tmp_path / "work")
    with pytest.raises(BadData, match=r"no labelled images to train on \(1 in unlabelled\)"):
        open_dataset(written(root, "path,label\na/1.jpg,\n"), workdir=tmp_path / "work")


def test_which_tables_are_manifests(root: Path) -> None:
    assert is_manifest(written(root, "path,label\na/1.jpg,ant\n"))
    assert not is_manifest(written(root, "epoch,loss\n1,0.5\n"))
    assert not is_manifest(written(root, b"\xff\x00\x81", "noise.csv"))
    assert not is_manifest(written(root, "path,label\na/1.jpg,ant\n", "labels.txt"))


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20))
def test_rows_survive_csv_and_json(pairs: list[tuple[str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("path", "label"), *pairs])
    with tempfile.TemporaryDirectory() as folder:
        table = written(Path(folder), text.getvalue())
        lines = "\n".join(json.dumps({"path": path, "label": label}, ensure_ascii=False) for path, label in pairs)
        objects = written(Path(folder), lines, "labels.jsonl")
        expected = [(path, label, "") for path, label in pairs]
        assert [tuple(row)[1:] for row in rows(table)] == expected
        assert [tuple(row)[1:] for row in rows(objects)] == expected
        assert next(rows(objects)) == Row(1, *expected[0])
