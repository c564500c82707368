from __future__ import annotations

import re
from pathlib import Path

import pytest

from tintype.reports import palette
from tintype.reports.figures.matrix import SHADES, WORDS
from tintype.reports.palette import COLOURS, Theme, custom_properties

THEMES: tuple[Theme, ...] = ("light", "dark")


def luminance(colour: str) -> float:
    """WCAG's relative luminance of `#rrggbb`."""
    channels = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("behind", ["paper", "card", "sunk"])
@pytest.mark.parametrize("name", ["ink", "soft", "accent", "blue", "red", "green", "gold"])
def test_text_can_be_read(name: str, behind: str, theme: Theme) -> None:
    column = THEMES.index(theme)
    assert contrast(COLOURS[name][column], COLOURS[behind][column]) >= 4.5


def blended(colour: str, behind: str, opacity: float) -> str:
    pairs = ((int(colour[n : n + 2], 16), int(behind[n : n + 2], 16)) for n in (1, 3, 5))
    return "#" + "".join(f"{round(over * opacity + under * (1 - opacity)):02x}" for over, under in pairs)


STYLE = (Path(palette.__file__).parent / "templates" / "run_report.css").read_text()
OPACITIES = {int(shade): float(opacity) for shade, opacity in re.findall(r"\.q(\d){fill-opacity:([\d.]+)}", STYLE)}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("square", ["blue", "red"])
def test_counts_can_be_read_on_every_square_of_the_matrix(square: str, theme: Theme) -> None:
    column = THEMES.index(theme)
    assert sorted(OPACITIES) == list(range(1, SHADES + 1))
    for shade, opacity in OPACITIES.items():
        words = {"": "ink", " half": "over", " on": "card"}[WORDS[shade]]
        behind = blended(COLOURS[square][column], COLOURS["card"][column], opacity)
        assert contrast(COLOURS[words][column], behind) >= 4.2, shade


def simulate(colour: str, matrix: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    rgb = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    return tuple(sum(w * c for w, c in zip(row, rgb, strict=True)) for row in matrix)


# Machado, Oliveira and Fernandes 2009, severity 1.0.
BLINDNESS = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("kind", BLINDNESS)
def test_right_and_wrong_stay_apart_for_the_colour_blind(kind: str, theme: Theme) -> None:
    column = THEMES.index(theme)
    right, wrong = (simulate(COLOURS[name][column], BLINDNESS[kind]) for name in ("blue", "red"))
    assert sum((a - b) ** 2 for a, b in zip(right, wrong, strict=True)) ** 0.5 > 90


def test_the_themes_are_custom_properties() -> None:
    assert "--ink:#211c17;" in custom_properties("light")
    assert custom_properties("dark").endswith("color-scheme:dark;")
