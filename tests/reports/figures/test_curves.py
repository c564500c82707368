from __future__ import annotations

import math
from xml.etree import ElementTree

from tintype.reports.figures.curves import Curve, accuracy_curves, loss_curves

NAN = math.nan


def parts(drawn: str, class_: str) -> list[ElementTree.Element]:
    return [node for node in ElementTree.fromstring(drawn).iter() if (node.get("class") or "").startswith(class_)]


def words(drawn: str) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(drawn).iter() if node.tag in ("text", "title")]


def test_a_line_and_a_dot_per_epoch() -> None:
    drawn = loss_curves((Curve("train", (3.0, 2.0, 1.0)), Curve("valid", (3.0, 2.5, 2.6))), best_epoch=2)
    assert len(parts(drawn, "dot s-train")) == len(parts(drawn, "dot s-valid")) == 3
    assert "epoch 2, valid loss 2.5" in words(drawn)
    assert len(parts(drawn, "best-line")) == 1
    assert {"epoch", "loss", "train", "valid"} <= set(words(drawn))


def test_a_single_epoch_is_a_dot_with_axes() -> None:
    drawn = accuracy_curves((Curve("train", (0.5,)),), best_epoch=None)
    assert len(parts(drawn, "dot")) == 1
    assert {"1", "50%"} <= set(words(drawn))


def test_nan_breaks_the_line() -> None:
    drawn = loss_curves((Curve("train", (3.0, 2.0, NAN, 1.0, 0.5)),), best_epoch=None)
    line = next(node for node in parts(drawn, "curve s-train") if node.tag == "path")
    assert (line.get("d") or "").count("M") == 2
    assert len(parts(drawn, "dot")) == 4


def test_nothing_but_nan_is_an_empty_plane() -> None:
    drawn = loss_curves((Curve("train", (NAN, math.inf)),), best_epoch=1)
    assert parts(drawn, "dot") == []
    assert "nan" not in drawn.replace("trainan", "")


def test_losses_far_apart_get_a_logarithmic_axis() -> None:
    labels = words(loss_curves((Curve("train", (1000.0, 1.0, 0.001)),), best_epoch=None))
    assert {"1,000", "1", "0.001"} <= set(labels)


def test_long_trainings_have_lines_only() -> None:
    drawn = loss_curves((Curve("train", tuple(1 / n for n in range(1, 1001))),), best_epoch=900)
    assert parts(drawn, "dot") == []
    assert len(drawn) < 20_000
