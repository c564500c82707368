"""The very images behind what a rule found, as small pictures: time travel to the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tintype.reports.debug_report import SAMPLES
from tintype.reports.run_report import Picture
from tintype.reports.thumbnails import Thumbnails
from tintype.rules.finding import Finding

SIDE = 56               # pixels
OPT_ML = "/opt/ml/"
MOST = 120              # pictures of a page


def sample_pictures(
    findings: Iterable[Finding], folders: Sequence[Path], opt_ml: Path, max_pixels: int
) -> dict[str, Picture]:
    """Pictures of the findings' samples, by what names them: those that are images below one of `folders`.

    `opt_ml` is what the job saw as /opt/ml. A log may come from anywhere, and a page is passed on: no other file is
    read, and none of more than `max_pixels`.
    """
    roots = [one.resolve() for one in folders]
    found: dict[str, Picture] = {}
    for name in dict.fromkeys(name for one in findings for name in one.samples[:SAMPLES]):
        if len(found) >= MOST:
            break
        if (place := _place(_here(name, opt_ml), roots)) is not None:
            root, file = place
            picture = Thumbnails(root, max_pixels).make(file, SIDE, "square")
            if picture is not None:
                found[name] = picture
    return found


def _here(name: str, opt_ml: Path) -> str:
    return str(opt_ml / name.removeprefix(OPT_ML)) if name.startswith(OPT_ML) else name


def _place(name: str, roots: Sequence[Path]) -> tuple[Path, str] | None:
    """The folder that a sample is below, and its path there."""
    for root in roots:
        path = (root / name).resolve()          # a name that is a whole path stays what it is
        if path.is_relative_to(root) and path.is_file():
            return root, path.relative_to(root).as_posix()
    return None
