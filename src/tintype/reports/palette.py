"""The colours of every page and figure: warm paper by day, the dark plate of a tintype by night.

Series colours follow Okabe and Ito, whose pairs stay apart for all common kinds of colour blindness; blue and
vermillion always mean the same two things (right and wrong, or train and valid), and figures never rely on colour
alone. A test computes the contrasts.
"""

from __future__ import annotations

from typing import Literal

from markupsafe import Markup

Theme = Literal["light", "dark"]

# name -> (light, dark)
COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#f7f3ec", "#12100e"),            # behind everything
    "card": ("#fffdf9", "#1b1815"),             # behind text and figures
    "sunk": ("#f1ebe1", "#242019"),             # code, table heads, bars' tracks
    "ink": ("#211c17", "#ede6da"),
    "soft": ("#655b4f", "#aa9f8f"),             # labels and second thoughts
    "line": ("#e3dacc", "#37312a"),             # borders and grids
    "accent": ("#8a4420", "#e5a877"),           # links, buttons, focus
    "blue": ("#0a69ad", "#5fb4ee"),             # right; train
    "red": ("#b34700", "#ff9a5a"),              # wrong; valid
    "green": ("#0a7657", "#45c9a0"),            # test
    "gold": ("#8a5f00", "#f0c04a"),             # best; look here
    "medal": ("#efae1b", "#f2c14e"),            # the best trial's disc; it has a ring for contrast
    "over": ("#211c17", "#1b1815"),             # words over squares of middling strength
    "grey": ("#8b8175", "#857b6e"),             # unlabelled; no matter
}

SPLIT_COLOURS: dict[str, str] = {"train": "blue", "valid": "red", "test": "green", "unlabelled": "grey"}


def custom_properties(theme: Theme) -> Markup:
    """The colours of one theme as CSS custom properties."""
    column = 0 if theme == "light" else 1
    return Markup("".join(f"--{name}:{pair[column]};" for name, pair in COLOURS.items()) + f"color-scheme:{theme};")
