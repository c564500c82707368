from __future__ import annotations

from xml.etree import ElementTree

from markupsafe import Markup

from tintype.reports.figures.bars import bar, stacked
from tintype.reports.figures.interval import interval
from tintype.reports.figures.svg import drawing, element, path_through, text, titled

EVIL = "</text><script>alert(1)</script>\"'&"


def test_elements_are_written_short() -> None:
    assert element("line", x1=1.0, y1=2.3456, class_="a b", stroke_width=None) == '<line x1="1" y1="2.35" class="a b"/>'
    assert element("g", (element("a"), element("b"))) == "<g><a/><b/></g>"
    assert path_through([(0, 1), (2.5, 3.125)]) == "M0 1L2.5 3.12"
    assert isinstance(element("g"), Markup)


def test_everything_that_is_said_is_escaped() -> None:
    drawn = drawing(10, 10, EVIL, (text(0, 0, EVIL), titled("rect", EVIL, data_name=EVIL)))
    assert "<script" not in drawn
    root = ElementTree.fromstring(drawn)
    assert root.get("aria-label") == EVIL
    assert [node.text for node in root.iter() if node.text] == [EVIL, EVIL]
    assert next(node.get("data-name") for node in root.iter("rect")) == EVIL


def test_bars_fill_their_cell_in_parts() -> None:
    root = ElementTree.fromstring(stacked((("f-train", 3, "train"), ("f-valid", 0, "valid"), ("f-test", 1, "test")), 8))
    assert [(part.get("x"), part.get("width")) for part in root] == [("0", "375"), ("375", "125")]
    assert len(ElementTree.fromstring(bar(1, 0, "f", "of nothing"))) == 0


def test_an_interval_is_drawn_in_place() -> None:
    root = ElementTree.fromstring(interval(0.9, 0.8, 1.0, 0.5))
    reach = next(node for node in root if node.get("class") == "reach")
    assert (reach.get("x"), reach.get("width")) == ("208", "52")
    assert "guessing 50%" in "".join(root.itertext())
    assert "guessing" not in "".join(ElementTree.fromstring(interval(0.9, 0.8, 1.0, None)).itertext())
