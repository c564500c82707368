from __future__ import annotations

from collections.abc import Callable

from tintype.reports.evidence import RunEvidence
from tintype.reports.gathering import gather
from tintype.reports.run_report import Missing, Mistakes, RunReport
from tintype.reports.shrinking import half_the_pictures, no_pictures


def shown(report: RunReport) -> tuple[int, int, int]:
    """Classes with samples, samples of the first class, mistakes."""
    assert not isinstance(report.data.samples, Missing)
    assert isinstance(report.mistakes, Mistakes)
    return len(report.data.samples), len(report.data.samples[0].pictures), len(report.mistakes.shown)


def test_half_of_everything_but_never_nothing(stage: Callable[..., RunEvidence]) -> None:
    report = gather(stage(classes=("a", "b", "c"), accuracy=0.0))
    assert shown(report) == (3, 6, 4)
    assert shown(half_the_pictures(report)) == (2, 3, 2)
    assert shown(half_the_pictures(half_the_pictures(half_the_pictures(report)))) == (1, 1, 1)
    bare = gather(stage(judged=()))
    assert half_the_pictures(no_pictures(bare)) == no_pictures(bare)


def test_no_pictures_says_so(stage: Callable[..., RunEvidence]) -> None:
    report = no_pictures(gather(stage(accuracy=0.0)))
    assert isinstance(report.data.samples, Missing)
    assert isinstance(report.mistakes, Mistakes)
    assert all(one.picture is None for one in report.mistakes.shown)
    assert not isinstance(report.data.problems, Missing)
    assert all(not one.pictures for one in report.data.problems)
