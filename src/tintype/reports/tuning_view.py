"""The tuning section: the table of trials, and the objective against time and against each hyperparameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tintype.reports.evidence import HyperparameterRange, TrialEvidence, TrialState
from tintype.reports.figures.bars import bar
from tintype.reports.figures.scales import Bands, Scale
from tintype.reports.figures.trials import (
    Mark,
    State,
    against_hyperparameter,
    against_time,
    hyperparameter_scale,
    sparkline,
)
from tintype.reports.run_report import Missing, Tuning
from tintype.reports.wording import display, percent, quantity

TRIALS_LISTED = 500


@dataclass(frozen=True)
class TrialRow:
    """A line of the table of trials."""

    trial: TrialEvidence
    values: tuple[str, ...]                     # of the hyperparameters, in the order of the columns
    objective: str
    seconds: float | None
    spark: Markup
    best: bool


@dataclass(frozen=True)
class TuningView:
    """Rows and figures of the tuning section."""

    columns: tuple[str, ...]                    # the hyperparameters
    rows: tuple[TrialRow, ...]                  # the best first
    left_out: int                               # trials beyond TRIALS_LISTED
    without_value: int                          # trials that no figure shows
    time: Markup | None
    time_is_wide: bool
    figures: tuple[tuple[str, Markup], ...]     # (hyperparameter, figure)
    importance: tuple[tuple[str, float, Markup], ...]       # (hyperparameter, share, bar), the largest first


def tuning_view(tuning: Tuning) -> TuningView:
    """Draw and sort the trials."""
    columns = _columns(tuning)
    scored = [trial for trial in tuning.trials if trial.score is not None]
    figures = tuple((name, figure) for name in columns if (figure := _against(tuning, scored, name)))
    wide = len(figures) % 2 == 0                # so that two columns come out even
    return TuningView(
        columns=columns,
        rows=tuple(_row(tuning, trial, columns) for trial in _best_first(tuning)[:TRIALS_LISTED]),
        left_out=max(0, len(tuning.trials) - TRIALS_LISTED),
        without_value=len(tuning.trials) - len(scored),
        time=_over_time(tuning, scored, wide),
        time_is_wide=wide,
        figures=figures,
        importance=_importance(tuning),
    )


def _importance(tuning: Tuning) -> tuple[tuple[str, float, Markup], ...]:
    if isinstance(tuning.importance, Missing):
        return ()
    largest = max(tuning.importance.values())
    return tuple(
        (name, share, bar(share, largest, "f-time", f"{name}: {percent(share)}"))
        for name, share in tuning.importance.items()
    )


def _columns(tuning: Tuning) -> tuple[str, ...]:
    """The hyperparameters that were searched, and others that differ between trials."""
    values: dict[str, set[str]] = {}
    for trial in tuning.trials:
        for name, value in trial.hyperparameters.items():
            values.setdefault(name, set()).add(quantity(value))
    searched = [one.name for one in tuning.ranges]
    return (*searched, *(name for name, seen in values.items() if len(seen) > 1 and name not in searched))


def _best_first(tuning: Tuning) -> list[TrialEvidence]:
    """Sorted by the objective; those without a value last."""
    sign = -1 if tuning.objective.maximise else 1

    def rank(trial: TrialEvidence) -> tuple[bool, float, int]:
        return trial.score is None, sign * (trial.score or 0.0), trial.number

    return sorted(tuning.trials, key=rank)


def _row(tuning: Tuning, trial: TrialEvidence, columns: Sequence[str]) -> TrialRow:
    return TrialRow(
        trial=trial,
        values=tuple(quantity(trial.hyperparameters.get(name)) for name in columns),
        objective=tuning.objective.written(trial.score),
        seconds=None if trial.started_at is None or trial.ended_at is None else trial.ended_at - trial.started_at,
        spark=sparkline(trial.history),
        best=trial.number == tuning.best,
    )


def _over_time(tuning: Tuning, scored: Sequence[TrialEvidence], wide: bool) -> Markup | None:
    began = min((trial.started_at for trial in tuning.trials if trial.started_at is not None), default=None)
    if began is None:
        return None
    marks = [_mark(tuning, trial, trial.ended_at - began) for trial in scored if trial.ended_at is not None]
    return against_time(marks, tuning.objective, wide=wide) if marks else None


def _against(tuning: Tuning, scored: Sequence[TrialEvidence], name: str) -> Markup | None:
    """The figure of one hyperparameter; None when no trial with a value has it."""
    having = [trial for trial in scored if name in trial.hyperparameters]
    if not having:
        return None
    searched = next((one for one in tuning.ranges if one.name == name), HyperparameterRange(name))
    scale, places = _axis(searched, [trial.hyperparameters[name] for trial in having])
    marks = [_mark(tuning, trial, place) for trial, place in zip(having, places, strict=True)]
    return against_hyperparameter(marks, scale, name, tuning.objective)


def _axis(searched: HyperparameterRange, values: Sequence[str | float | int | bool]) -> tuple[Scale, list[float]]:
    """The scale of a hyperparameter and where on it each of `values` is: by name for words and categories."""
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    few = searched.few_values()
    if few or len(numbers) < len(values):
        names = [quantity(value) for value in few]
        names += sorted({quantity(value) for value in values} - set(names))
        return Bands(tuple(names)), [float(names.index(quantity(value))) for value in values]
    low = min(numbers) if searched.low is None else min(searched.low, *numbers)
    high = max(numbers) if searched.high is None else max(searched.high, *numbers)
    return hyperparameter_scale(low, high, logarithmic=searched.logarithmic, whole=searched.whole), numbers


def _mark(tuning: Tuning, trial: TrialEvidence, x: float) -> Mark:
    state: State = "best" if trial.number == tuning.best else "cut" if trial.state is TrialState.STOPPED else "whole"
    settings = ", ".join(f"{display(name, 24)} {quantity(value)}" for name, value in trial.hyperparameters.items())
    words = f"trial {trial.number}: {tuning.objective.written(trial.score)} ({settings})"
    return Mark(trial.number, x, trial.score or 0.0, display(words, 200), state)
