"""Files and folders, without a server."""

from __future__ import annotations

import csv
import json
import os
import threading
import time
from pathlib import Path

import pytest

from tintype.errors import BadImage, NotFound, Unauthorised
from tintype.serving.batch.file_predictions import (
    FilePrediction,
    FileProblem,
    classify_locally,
    image_files,
    predict_files,
    widest,
    write_csv,
    write_jsonl,
)
from tintype.serving.content.predictions import Ranked
from tintype.serving.runtimes.predictor import Predictor

CAT = (Ranked("cat", 0, 0.75), Ranked("dog", 1, 0.25))


@pytest.fixture
def folder(tmp_path: Path, picture) -> Path:
    root = tmp_path / "pictures"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "b.png").write_bytes(picture())
    (root / "a é.jpg").write_bytes(picture("JPEG", (10, 10, 250)))
    (root / "deep" / "er" / "c.webp").write_bytes(picture("WEBP", (10, 250, 10)))
    (root / "broken.jpg").write_bytes(b"not a picture")
    (root / "empty.png").write_bytes(b"")
    (root / "notes.txt").write_text("not meant as a picture")
    (root / ".hidden.png").write_bytes(picture())
    (root / "deep" / "loop").symlink_to(root)
    return root


def test_the_files_of_a_folder(folder: Path) -> None:
    found = [str(path.relative_to(folder)) for path in image_files([folder])]
    assert found == ["a é.jpg", "b.png", "broken.jpg", "deep/er/c.webp", "empty.png"]
    notes = folder / "notes.txt"
    assert image_files([notes, folder / "b.png"]) == [notes, folder / "b.png"]      # named one by one: as they come
    with pytest.raises(NotFound, match="no file or folder"):
        image_files([folder / "missing.png"])
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(NotFound, match="no image files"):
        image_files([empty])


def test_bad_files_are_reported_and_passed_over(predictor: Predictor, folder: Path) -> None:
    files = image_files([folder])
    outcomes = list(predict_files(classify_locally(predictor, top=2), files))
    assert [Path(one.file) for one in outcomes] == files
    good = {Path(one.file).name: one.label for one in outcomes if isinstance(one, FilePrediction)}
    assert good == {"a é.jpg": "blue", "b.png": "red", "c.webp": "green"}
    bad = {Path(one.file).name: one.reason for one in outcomes if isinstance(one, FileProblem)}
    assert set(bad) == {"broken.jpg", "empty.png"}
    assert "not an image" in bad["broken.jpg"]
    assert all(len(one.top) == 2 for one in outcomes if isinstance(one, FilePrediction))
    assert set(outcomes[0].to_json()) == {"file", "label", "probability", "top"}       # pyright: ignore


def test_a_file_that_vanishes_is_a_problem_of_its_own(tmp_path: Path) -> None:
    (outcome,) = predict_files(lambda content: CAT, [tmp_path / "gone.png"])
    assert outcome == FileProblem(str(tmp_path / "gone.png"), "cannot be read: No such file or directory")


def test_few_are_at_work_at_once_and_few_wait(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(40)]
    for path in files:
        path.write_bytes(path.name.encode())
    lock = threading.Lock()
    inside: list[int] = [0, 0]
    begun: list[bytes] = []

    def classify(content: bytes) -> tuple[Ranked, ...]:
        with lock:
            begun.append(content)
            inside[0] += 1
            inside[1] = max(inside)
        time.sleep(0.002)
        with lock:
            inside[0] -= 1
        return CAT

    outcomes = predict_files(classify, files, workers=3)
    assert next(outcomes).file == str(files[0])
    assert len(begun) < 12
    assert [one.file for one in outcomes] == [str(path) for path in files[1:]]
    assert inside[1] <= 3


def test_what_is_no_fault_of_a_file_ends_it_all(tmp_path: Path) -> None:
    calls: list[bytes] = []

    def classify(content: bytes) -> tuple[Ranked, ...]:
        calls.append(content)
        raise Unauthorised("the token is wrong")

    files = [tmp_path / f"{number}" for number in range(100)]
    for path in files:
        path.write_bytes(b"x")
    with pytest.raises(Unauthorised):
        list(predict_files(classify, files, workers=2))
    assert len(calls) < 20


def test_csv(tmp_path: Path) -> None:
    outcomes = [
        FilePrediction("a, b.jpg", CAT),
        FileProblem("broken.jpg", "not an image"),
        FilePrediction(os.fsdecode(b"\xff.jpg"), CAT[:1]),
    ]
    path = tmp_path / "out" / "predictions.csv"
    write_csv(path, outcomes, widest(outcomes))
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        first, second, third = csv.DictReader(stream)
    assert list(first) == ["file", "label", "probability", "label_2", "probability_2", "problem"]
    assert list(first.values()) == ["a, b.jpg", "cat", "0.75", "dog", "0.25", ""]
    assert (second["label"], second["problem"]) == ("", "not an image")
    assert os.fsencode(third["file"]) == b"\xff.jpg"
    write_csv(tmp_path / "none.csv", [], 1)
    assert (tmp_path / "none.csv").read_text() == "file,label,probability,problem\n"


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    write_jsonl(path, [FilePrediction("a", CAT), FileProblem(os.fsdecode(b"\xff.jpg"), "not an image")])
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["label"], [one["label"] for one in first["top"]]) == ("cat", ["cat", "dog"])
    assert second == {"file": os.fsdecode(b"\xff.jpg"), "problem": "not an image"}


def test_csv_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    write_csv(path, [FilePrediction("a", CAT)], 2)
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_csv(path, [FilePrediction("a", CAT), "no outcome"], 2)       # pyright: ignore[reportArgumentType]
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["predictions.csv"]


def test_a_refusal_of_the_model_is_the_file_s_problem(tmp_path: Path) -> None:
    def classify(content: bytes) -> tuple[Ranked, ...]:
        raise BadImage("truncated: get the file again")

    (tmp_path / "a.png").write_bytes(b"x")
    assert list(predict_files(classify, [tmp_path / "a.png"])) == [
        FileProblem(str(tmp_path / "a.png"), "truncated: get the file again")
    ]
