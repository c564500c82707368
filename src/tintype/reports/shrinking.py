"""A report with fewer pictures, for when its page would be too large."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tintype.reports.run_report import Data, Missing, Mistakes, RunReport


def half_the_pictures(report: RunReport) -> RunReport:
    """Half of the classes that are shown, half of the pictures of each, half of the mistakes; at least one each."""
    mistakes = report.mistakes
    if not isinstance(mistakes, Missing):
        mistakes = replace(mistakes, shown=mistakes.shown[: _half(mistakes.shown)])
    return replace(report, data=_halved(report.data), mistakes=mistakes)


def no_pictures(report: RunReport) -> RunReport:
    """No picture at all; sections say so."""
    left_out = Missing("The pictures were left out to keep this page small.")
    mistakes = report.mistakes
    if isinstance(mistakes, Mistakes):
        mistakes = replace(mistakes, shown=tuple(replace(one, picture=None) for one in mistakes.shown))
    problems = report.data.problems
    if not isinstance(problems, Missing):
        problems = tuple(replace(one, pictures=()) for one in problems)
    return replace(report, data=replace(report.data, samples=left_out, problems=problems), mistakes=mistakes)


STEPS: tuple[Callable[[RunReport], RunReport], ...] = (half_the_pictures, half_the_pictures, no_pictures)


def _halved(data: Data) -> Data:
    samples = data.samples
    if isinstance(samples, Missing):
        return data
    fewer = samples[: _half(samples)]
    return replace(data, samples=tuple(replace(one, pictures=one.pictures[: _half(one.pictures)]) for one in fewer))


def _half(things: tuple[object, ...]) -> int:
    return (len(things) + 1) // 2
