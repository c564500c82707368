"""A page taken apart by a real parser, as a browser would see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input", "rect", "line", "circle", "ellipse", "path"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Document:
    """All elements in order, each with the text directly in it; `unclosed` lists tags that do not pair."""

    elements: list[Element] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)
    words: str = ""

    def all(self, tag: str) -> list[Element]:
        return [one for one in self.elements if one.tag == tag]

    def ids(self) -> set[str]:
        return {str(one.attributes["id"]) for one in self.elements if "id" in one.attributes}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.document = Document()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.document.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.document.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open.pop().tag != tag:
            self.document.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data
        if not self._open or self._open[-1].tag not in ("script", "style"):
            self.document.words += data


def read(page: str) -> Document:
    """The page's elements and words."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    reader.document.unclosed += [element.tag for element in reader._open]
    return reader.document
