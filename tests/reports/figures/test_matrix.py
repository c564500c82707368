from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from tintype.reports.figures.matrix import confusion


def drawn(counts: np.ndarray, names: list[str] | None = None) -> ElementTree.Element:
    return ElementTree.fromstring(confusion(counts, names or [f"class {n}" for n in range(len(counts))]))


def titles(root: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in root.iter("title")]


def test_two_classes_have_counts_and_shares() -> None:
    root = drawn(np.array([[64, 6], [0, 83]]), ["ants", "bees"])
    texts = ["".join(node.itertext()) for node in root.iter("text")]
    assert {"64", "6", "83", "91%", "100%", "ants", "bees", "predicted →", "← true"} <= set(texts)
    assert "ants taken for bees: 6 images, 8.6% of the class" in titles(root)
    assert "ants, recognised: 64 images, 91.4% of the class" in titles(root)
    cells = [node.get("class") for node in root.iter("rect")]
    assert cells[0] == "right q8"
    assert cells[2] == "q0"


@pytest.mark.parametrize("classes", [1, 2, 5, 12, 20, 21, 40, 41, 80, 133, 150])
def test_every_number_of_classes_fits_its_frame(classes: int) -> None:
    random = np.random.default_rng(0)
    counts = random.integers(0, 9, (classes, classes))
    root = drawn(counts, [f"a name of some length {n}" for n in range(classes)])
    width = float((root.get("viewBox") or "").split()[2])
    cells = [node for node in root.iter("rect") if node.get("class") != "frame"]
    assert all(float(node.get("x") or 0) + float(node.get("width") or 0) < width for node in cells)
    names = next(node for node in root.iter("g") if node.get("class") == "names")
    assert len(names) == 2 * classes
    assert len(ElementTree.tostring(root)) < 550_000


def test_a_large_matrix_says_its_worst_confusions() -> None:
    counts = np.diag([5] * 133)
    counts[3, 7] = 4
    root = drawn(counts)
    assert titles(root) == ["class 3 taken for class 7: 4 images, 44.4% of the class"]
    assert len(ElementTree.tostring(root)) < 60_000


def test_a_class_without_images_is_an_empty_row() -> None:
    root = drawn(np.array([[0, 0], [1, 2]]))
    assert "class 0, recognised: 0 images, 0.0% of the class" in titles(root)
    assert "nan" not in ElementTree.tostring(root).decode()


def test_hostile_names_stay_text() -> None:
    root = drawn(np.array([[1, 1], [0, 1]]), ["<script>alert(1)</script>", '"><img src=x onerror=y>'])
    assert not list(root.iter("script"))
    assert not list(root.iter("img"))
