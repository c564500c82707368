from __future__ import annotations

from xml.etree import ElementTree

from tintype.reports.figures.reliability import Bin, reliability


def test_bins_with_images_are_drawn_and_counted() -> None:
    bins = (Bin(0.0, 0.5, 0, 0.0, 0.0), Bin(0.5, 1.0, 40, 0.75, 0.9))
    root = ElementTree.fromstring(reliability(bins))
    classes = [node.get("class") for node in root.iter()]
    assert classes.count("right-bar") == 1
    assert classes.count("count-bar") == 2
    titles = [node.text for node in root.iter("title")]
    assert "50%–100% sure: 40 images, 75.0% right" in titles
    assert root.get("aria-label") == "reliability diagram over 40 images"


def test_no_images_at_all() -> None:
    root = ElementTree.fromstring(reliability((Bin(0.0, 1.0, 0, 0.0, 0.0),)))
    assert "right-bar" not in [node.get("class") for node in root.iter()]
