from __future__ import annotations

import math
from random import Random

import pytest

from tintype.tuning.importance import FEWEST_TRIALS, importance
from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Categorical, Continuous, Integer
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.trial import Trial, TrialStatus

SPACE = Space(
    (Continuous("lr", 0.0001, 0.1), Integer("width", 1, 100), Categorical("net", ("a", "b")), Categorical("one", (1,)))
)


def searched(count: int, direction: Direction, value: float | None = None) -> TuningState:
    """Random trials whose value hangs on lr a lot, on width a little, and on net not at all."""
    random = Random(5)
    settings = TuningSettings(name="t", space=SPACE, objective="loss", direction=direction, max_jobs=count)
    sign = 1 if direction is Direction.MINIMIZE else -1
    trials = []
    for number in range(1, count + 1):
        point = SPACE.draw(random)
        found = abs(SPACE["lr"].to_unit(point["lr"]) - 0.4) + 0.1 * SPACE["width"].to_unit(point["width"])
        trial = Trial(number, f"t-{number}", point, SPACE.names)
        trials.append(trial.ended(TrialStatus.COMPLETED, 1.0, value=sign * found if value is None else value))
    failed = Trial(count + 1, "t-x", SPACE.draw(random), SPACE.names).ended(TrialStatus.FAILED, 1.0)
    return TuningState(settings, TuningStatus.COMPLETED, (*trials, failed))


@pytest.mark.parametrize("direction", Direction)
def test_what_matters_comes_first_and_the_shares_are_of_one(direction: Direction) -> None:
    found = importance(searched(60, direction))
    assert found.reason == ""
    assert set(found.shares) == set(SPACE.names)
    assert next(iter(found.shares)) == "lr"
    assert found.shares["lr"] > 0.6
    assert found.shares["one"] == 0
    assert math.isclose(sum(found.shares.values()), 1)
    assert list(found.shares.values()) == sorted(found.shares.values(), reverse=True)


def test_of_few_trials_it_says_why_there_is_none() -> None:
    found = importance(searched(FEWEST_TRIALS - 1, Direction.MINIMIZE))
    assert (found.shares, found.reason) == ({}, "9 trials have completed; importance needs at least 10")
    assert importance(searched(FEWEST_TRIALS, Direction.MINIMIZE)).shares


def test_of_equal_trials_too() -> None:
    found = importance(searched(12, Direction.MINIMIZE, value=0.5))
    assert found.reason == "all 12 completed trials have the same value"
