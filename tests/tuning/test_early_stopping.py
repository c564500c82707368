from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tintype.tuning.early_stopping import EARLIER_TRIALS, MedianRule, NeverStop, running_average
from tintype.tuning.objective import Direction
from tintype.tuning.trial import Trial, TrialStatus


def trial(number: int, values: Sequence[float], status: TrialStatus = TrialStatus.COMPLETED) -> Trial:
    history = tuple(enumerate(values, start=1))
    return replace(Trial(number, f"t-{number}", {}, ()), history=history, status=status)


EARLIER = [trial(1, [0.5, 0.6, 0.7]), trial(2, [0.4, 0.5, 0.6]), trial(3, [0.3, 0.4, 0.5])]


def verdict(values: Sequence[float], earlier: Sequence[Trial], direction: Direction = Direction.MAXIMIZE) -> str | None:
    running = trial(9, values, TrialStatus.IN_PROGRESS)
    return MedianRule(direction).reason_to_stop(running, [*earlier, running], len(values) - 1)


def test_worse_than_the_median_of_running_averages_is_stopped() -> None:
    # running averages up to step 2: 0.55, 0.45, 0.35
    assert verdict([0.9, 0.44], EARLIER) == (
        "early stopping: 0.44 at step 2 is worse than 0.45, the median of 3 trials up to there"
    )
    assert verdict([0.1, 0.46], EARLIER) is None        # only the newest value counts, not its own average
    assert verdict([0.1, 0.45], EARLIER) is None        # as good as the median is good enough


def test_direction() -> None:
    assert verdict([0.9, 0.46], EARLIER, Direction.MINIMIZE) is not None
    assert verdict([0.9, 0.44], EARLIER, Direction.MINIMIZE) is None


def test_the_first_trials_are_never_stopped() -> None:
    assert len(EARLIER) == EARLIER_TRIALS
    assert verdict([0.0], EARLIER[:2]) is None
    running = [replace(one, status=TrialStatus.IN_PROGRESS) for one in EARLIER]
    assert verdict([0.0], running) is None              # those that have not ended do not judge


def test_only_trials_that_came_as_far_judge() -> None:
    short = [trial(4, [0.9]), trial(5, [0.9])]
    assert verdict([0.0, 0.0, 0.0], [*EARLIER[:2], *short]) is None
    assert verdict([0.0], [*EARLIER[:2], *short]) is not None


def test_stopped_trials_judge_and_failed_ones_without_reports_do_not() -> None:
    stopped = replace(EARLIER[2], status=TrialStatus.STOPPED)
    assert verdict([0.0], [*EARLIER[:2], stopped]) is not None
    assert verdict([0.0], [*EARLIER[:2], trial(3, [], TrialStatus.FAILED)]) is None


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_worst(direction: Direction, broken: float) -> None:
    assert verdict([broken], EARLIER, direction) is not None
    broken_trials = [trial(number, [broken]) for number in (1, 2, 3)]
    assert verdict([0.1], broken_trials, direction) is None
    assert math.isinf(running_average(broken_trials[0].history, 1, direction))


def test_off() -> None:
    running = trial(9, [math.nan], TrialStatus.IN_PROGRESS)
    assert NeverStop().reason_to_stop(running, [*EARLIER, running], 0) is None
