from __future__ import annotations

from tintype.tuning.runner import Ended, Reported, batches
from tintype.tuning.trial import TrialStatus


def test_reports_are_put_together_but_never_behind_the_end() -> None:
    events = [
        Reported("a", 1, {"loss": 3.0}),
        Reported("b", 1, {"loss": 5.0}),
        Reported("a", 2, {"loss": 2.0}),
        Ended("a", TrialStatus.COMPLETED),
        Reported("b", 2, {"loss": 4.0}),
    ]
    assert list(batches(events)) == [[events[0], events[2]], events[3], [events[1], events[4]]]
    assert list(batches([])) == []
