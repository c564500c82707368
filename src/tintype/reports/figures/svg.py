"""SVG written into the page as text: elements, texts, and the frame of a figure.

Colours are CSS classes and custom properties of the page (see `palette`), so one drawing serves both themes.
Everything that is not `Markup` is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

Attribute = str | float | int | None


def element(name: str, content: Iterable[Markup] | str = "", /, **attributes: Attribute) -> Markup:
    """`<name ...>content</name>`; text is escaped. Underscores become hyphens (`class_` is class); None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = escape(content) if isinstance(content, str) else Markup("").join(content)
    return Markup(f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>")


def group(children: Iterable[Markup], /, **attributes: Attribute) -> Markup:
    """A `<g>`."""
    return element("g", tuple(children), **attributes)


def text(x: float, y: float, words: str, /, **attributes: Attribute) -> Markup:
    """A line of text with its baseline at `y`."""
    return element("text", words, x=x, y=y, **attributes)


def titled(shape: str, title: str, /, **attributes: Attribute) -> Markup:
    """A shape that shows `title` when pointed at."""
    return element(shape, (element("title", title),), **attributes)


def path_through(points: Iterable[tuple[float, float]]) -> str:
    """The `d` of a line through `points`."""
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def drawing(width: float, height: float, label: str, children: Iterable[Markup], /, class_: str = "fig") -> Markup:
    """A whole figure of `width` by `height` units. `label` is what a screen reader says."""
    return element(
        "svg",
        tuple(children),
        class_=class_,
        viewBox=f"0 0 {_short(width)} {_short(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
    )


def _short(value: Attribute) -> str:
    """Two decimals are below a pixel's tenth, and keep a page of many figures small."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
