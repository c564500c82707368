"""What needs a look before the model is used: from all sections, for the top of the page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tintype.reports.readings import accuracy_gap, baseline, overfits, totals
from tintype.reports.run_report import Calibration, Curves, Data, Judgement, Missing, RunReport
from tintype.reports.wording import counted, display, percent

IMBALANCE = 3.0                                             # images of the largest class over those of the smallest
FEW_IMAGES = 200                                            # below this an accuracy is a rough figure
CALIBRATED_IMAGES = 50                                      # fewer say nothing about calibration
HARMLESS = "note"                                           # the severity of problems that are only mentioned
SERIOUS = "error"


@dataclass(frozen=True)
class Concern:
    """Something to look at first. `section` is the id of the section that has the details."""

    words: str
    section: str
    serious: bool = False


def concerns(report: RunReport) -> tuple[Concern, ...]:
    """The serious ones first."""
    found = [*_of_data(report.data), *_of_scores(report), *_of_training(report)]
    return tuple(sorted(found, key=lambda one: not one.serious))


def _of_data(data: Data) -> list[Concern]:
    problems = () if isinstance(data.problems, Missing) else data.problems
    found = [
        Concern(f"{display(one.title, 80)} ({one.count:,})", "data", one.severity == SERIOUS)
        for one in problems
        if one.severity != HARMLESS
    ]
    if data.quarantined:
        found.append(Concern(f"{counted(len(data.quarantined), 'file')} left out of the training", "data"))
    sizes = [count for _, count in totals(data)]
    if sizes and max(sizes) > IMBALANCE * max(min(sizes), 1) and not any("balance" in one.kind for one in problems):
        found.append(Concern("The classes differ much in size", "data"))
    return found


def _of_scores(report: RunReport) -> list[Concern]:
    headline = report.headline
    if headline is None:
        return [Concern("The model was not evaluated", "confusion", serious=True)]
    found: list[Concern] = []
    if headline.split != "test":
        words = "No test split: the images it is judged on also chose the model, so the accuracy is flattering"
        found.append(Concern(words, "confusion", serious=True))
    if headline.images < FEW_IMAGES:
        interval = f"{percent(headline.low, 0)} to {percent(headline.high, 0)}"
        few = counted(headline.images, "image")
        found.append(Concern(f"Judged on {few} only: the true accuracy may be {interval}", "confusion"))
    naive = baseline(report.judgement) if isinstance(report.judgement, Judgement) else None
    if naive is not None and headline.low <= naive:
        words = f"Not surely better than always naming the largest class ({percent(naive)})"
        found.append(Concern(words, "confusion", serious=True))
    return found


def _of_training(report: RunReport) -> list[Concern]:
    found: list[Concern] = []
    if isinstance(report.curves, Curves):
        if not all(math.isfinite(value) for value in report.curves.loss.get("train", ())):
            found.append(Concern("The training loss became not a number", "curves", serious=True))
        if overfits(report.curves):
            points = f"{100 * accuracy_gap(report.curves):.0f} points"
            found.append(Concern(f"It overfits: training accuracy is {points} above validation accuracy", "curves"))
    calibration = report.calibration
    if isinstance(calibration, Calibration) and calibration.images >= CALIBRATED_IMAGES and not calibration.is_good:
        off = percent(calibration.error)
        found.append(Concern(f"Probabilities are off by {off} on average", "calibration"))
    return found
