"""The problems that the data check found, with pictures of the files where looking at them is the advice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tintype.reports.run_report import Missing, Picture, Problem
from tintype.reports.thumbnails import Thumbnails

GROUPS_SHOWN = 4                                            # of each problem
GROUP_PICTURES = 3                                          # of a group of files that are alike
SINGLE_PICTURES = 6                                         # of a problem whose files stand alone
SIDE = 104                                                  # pixels
UNSEEN = frozenset({"odd-extension", "cmyk", "sixteen-bit", "alpha", "animated", "rotated", "imbalance", "few-images"})


def read_problems(check: Mapping[str, Any] | None, thumbnails: Thumbnails) -> tuple[Problem, ...] | Missing:
    """`check` is `CheckReport.to_json()` of `datasets.checks`."""
    if check is None:
        return Missing("The data were not checked in this run. The command tintype data check does that on its own.")
    return tuple(_problem(one, thumbnails) for one in check.get("problems", ()))


def _problem(one: Mapping[str, Any], thumbnails: Thumbnails) -> Problem:
    kind = str(one["kind"])
    return Problem(
        kind=kind,
        title=_sentence(str(one.get("title") or kind.replace("-", " "))),
        severity=str(one.get("severity", "warning")),
        count=int(one["count"]),
        advice=str(one.get("advice", "")),
        details=tuple(map(str, one.get("details") or one.get("files", ()))),
        pictures=() if kind in UNSEEN else tuple(_pictures(one, thumbnails)),
    )


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def _pictures(one: Mapping[str, Any], thumbnails: Thumbnails) -> Iterable[tuple[Picture, ...]]:
    """Thumbnails of the files that can be read, in groups of those that are alike."""
    groups = one.get("groups") or [[file] for file in one.get("files", ())]
    for group in groups[: GROUPS_SHOWN if one.get("groups") else SINGLE_PICTURES]:
        made = (thumbnails.make(str(file), SIDE, "square") for file in group[:GROUP_PICTURES])
        pictures = tuple(picture for picture in made if picture)
        if pictures:
            yield pictures
