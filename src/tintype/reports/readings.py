"""What a careful reader would say of each figure: one or two sentences, computed, never guessed.

Each function returns sentences; an empty tuple when there is nothing worth saying. The thresholds are below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median

from tintype.reports.confusion import confused_pairs
from tintype.reports.evidence import HyperparameterRange, TrialState
from tintype.reports.figures.trials import hyperparameter_scale
from tintype.reports.run_report import Calibration, Curves, Data, Judgement, RunReport, Tuning
from tintype.reports.wording import counted, display, listed, percent, quantity, seconds

FEW_TRIALS = 4                                              # fewer say nothing about the ranges
EDGE = 0.04                                                 # of a range, on its own scale: "at the end"
OVERFIT_GAP = 0.1                                           # training accuracy above validation accuracy
LOSS_RISE = 1.1                                             # validation loss at the end over its minimum
PURPOSES: Mapping[str, str] = {"train": "train on", "valid": "choose by", "test": "judge on"}


def verdict(report: RunReport) -> str:
    """The run in one line: what was trained, on what, how good, how long."""
    headline = report.headline
    parts = (
        model_name(report),
        counted(len(report.data.classes), "class"),
        counted(report.data.images, "image"),
        f"{headline.split} accuracy {percent(headline.accuracy)}" if headline else "not evaluated",
        seconds(report.seconds),
    )
    return " · ".join(parts)


def model_name(report: RunReport) -> str:
    """The network, and how much of it was frozen."""
    frozen = {"none": "", "backbone": " (frozen)", "0": " (frozen)"}
    freeze = report.model.freeze
    return display(report.model.network, 40) + frozen.get(freeze, f" (frozen but for {freeze} last stages)")


def data_reading(data: Data) -> tuple[str, ...]:
    """Sizes of the splits and of the classes."""
    sizes = totals(data)
    if not sizes:
        return ()
    splits = listed([f"{sum(counts):,} to {PURPOSES[split]}" for split, counts in data.counts.items()])
    (largest, most), (smallest, least) = (pick(sizes, key=lambda one: one[1]) for pick in (max, min))
    said = f"{counted(data.images, 'image')}: {splits}."
    if most == least:
        return (said,)
    times = f", {most / least:.1f} times as many" if least else ""
    smallest_said = f"the smallest is {display(smallest)} ({least:,})"
    return said, f"The largest class is {display(largest)} ({most:,}){times}; {smallest_said}."


def tuning_reading(tuning: Tuning) -> tuple[str, ...]:
    """The best trial against the others, and ranges that may be too narrow."""
    best = next((trial for trial in tuning.trials if trial.number == tuning.best), None)
    if best is None:
        return ("No trial ended with a value.",)
    written, values = tuning.objective.written, [one.score for one in tuning.trials if one.score is not None]
    said = f"{tuning.objective.words} {written(best.score)}"
    if len(tuning.trials) == 1:
        return (f"One trial, with {said}.",)
    sentences = [f"Trial {best.number} is the best of {len(tuning.trials)}: {said}."]
    if len(values) > 2:
        sentences.append(f"The median trial has {written(median(values))}.")
    failed, stopped = (
        sum(trial.state is state for trial in tuning.trials) for state in (TrialState.FAILED, TrialState.STOPPED)
    )
    if failed:
        sentences.append(f"{counted(failed, 'trial')} failed; the table has the reasons.")
    if stopped:
        sentences.append(f"{counted(stopped, 'trial')} {_were(stopped)} stopped early, to save time.")
    ends = [said for one in tuning.ranges if (said := _at_an_end(one, best.hyperparameters.get(one.name)))]
    if ends and len(values) >= FEW_TRIALS:
        sentences.append(f"The best value is at the end of its range for {listed(ends)}: a wider range may do better.")
    return tuple(sentences)


def curves_reading(curves: Curves) -> tuple[str, ...]:
    """Whether training was long enough, too long, or went astray."""
    sentences: list[str] = []
    lost = [n for n, value in enumerate(curves.loss.get("train", ()), start=1) if not math.isfinite(value)]
    if lost:
        sentences.append(f"The training loss is not a number from epoch {lost[0]} on: a lower learning rate helps.")
    epochs = curves.epochs
    if curves.best_epoch is not None and epochs > 1:
        sentences.append(f"Epoch {curves.best_epoch} of {epochs} is the best and its weights were kept.")
        if curves.best_epoch == epochs and not lost:
            sentences.append("It is also the last: more epochs may help.")
    valid = [value for value in curves.loss.get("valid", ()) if math.isfinite(value)]
    if len(valid) > 2 and valid[-1] > LOSS_RISE * min(valid):
        turn = valid.index(min(valid)) + 1
        sentences.append(f"Validation loss rises after epoch {turn}: the model began to overfit there.")
    if overfits(curves):
        points = f"{100 * accuracy_gap(curves):.0f} points"
        sentences.append(f"At the end training accuracy is {points} above validation accuracy: it overfits.")
    return tuple(sentences)


def judgement_reading(judgement: Judgement) -> tuple[str, ...]:
    """The most frequent confusions."""
    names = [display(one.name, 40) for one in judgement.per_class]
    pairs = confused_pairs(judgement.confusion)[:3]
    if not pairs:
        return ("No image of the split was confused with another class.",)
    worst = [f"{names[true]} taken for {names[said]} ({_times(count)})" for true, said, count in pairs]
    return (f"Most often confused: {listed(worst)}.",)


def classes_reading(judgement: Judgement) -> tuple[str, ...]:
    """The weakest class, and classes without images."""
    scored = [one for one in judgement.per_class if one.f1 is not None and one.support]
    empty = sum(1 for one in judgement.per_class if not one.support)
    sentences: list[str] = []
    if scored:
        weakest = min(scored, key=lambda one: one.f1 or 0.0)
        sentences.append(f"The weakest class is {display(weakest.name)}, with an F1 of {percent(weakest.f1)}.")
    if empty:
        have = "has" if empty == 1 else "have"
        sentences.append(f"{counted(empty, 'class')} {have} no image in this split, so no recall.")
    return tuple(sentences)


def calibration_reading(calibration: Calibration) -> tuple[str, ...]:
    """Whether the model is too sure of itself."""
    says, right = percent(calibration.confidence), percent(calibration.accuracy)
    mean = f"On average it says {says} and is right {right} of the time"
    if calibration.is_good:
        return (f"{mean}: its probabilities can be taken at their word.",)
    sure = "too sure" if calibration.confidence > calibration.accuracy else "not sure enough"
    return (f"{mean}: it is {sure} of itself.",)


def timing_reading(phases: tuple[tuple[str, float], ...]) -> tuple[str, ...]:
    """Where most of the time went."""
    total = sum(duration for _, duration in phases)
    if len(phases) < 2 or total <= 0:
        return ()
    name, longest = max(phases, key=lambda one: one[1])
    share = percent(longest / total, 0)
    return (f"Most of the time went into “{display(name)}”: {seconds(longest)}, {share} of the timed phases.",)


def baseline(judgement: Judgement) -> float | None:
    """The accuracy of always naming the largest class of the split."""
    total = int(judgement.confusion.sum())
    return float(judgement.confusion.sum(axis=1).max() / total) if total else None


def totals(data: Data) -> list[tuple[str, int]]:
    """(class, images in all splits) of every class."""
    columns = list(data.counts.values())
    return [(name, sum(counts[n] for counts in columns)) for n, name in enumerate(data.classes)]


def accuracy_gap(curves: Curves) -> float:
    """How far training accuracy is above validation accuracy in the last epoch; 0 when that is not known."""
    train, valid = curves.accuracy.get("train"), curves.accuracy.get("valid")
    if not train or not valid or not math.isfinite(train[-1] - valid[-1]):
        return 0.0
    return train[-1] - valid[-1]


def overfits(curves: Curves) -> bool:
    """Whether the last epoch is far better on training than on validation images."""
    return accuracy_gap(curves) > OVERFIT_GAP


def _at_an_end(searched: HyperparameterRange, value: object) -> str | None:
    """`lr = 0.1` when `value` is at an end of a range that could be wider; None otherwise."""
    low, high = searched.low, searched.high
    if low is None or high is None or low >= high or not isinstance(value, int | float):
        return None
    scale = hyperparameter_scale(low, high, logarithmic=searched.logarithmic, whole=searched.whole)
    start, end, at = (scale.position(one) for one in (low, high, float(value)))
    inside = EDGE <= (at - start) / (end - start) <= 1 - EDGE
    return None if inside else f"{display(searched.name)} = {quantity(value)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
