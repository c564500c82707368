from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Continuous, Integer
from tintype.tuning.settings import Resource, TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.strategies import stop_rule_for, strategy_for
from tintype.tuning.strategies.hyperband import Hyperband
from tintype.tuning.strategies.random_search import RandomSearch
from tintype.tuning.trial import Trial

SPACE = Space((Continuous("lr", 0.001, 0.1),))


def hyperband(minimum: int, maximum: int, direction: Direction = Direction.MAXIMIZE) -> Hyperband:
    return Hyperband(RandomSearch(SPACE, 0), Resource(minimum, maximum, None), direction)


def trial(number: int, values: Sequence[float]) -> Trial:
    return replace(Trial(number, f"t-{number}", {}, ()), history=tuple(enumerate(values, start=1)))


@pytest.mark.parametrize(
    ("minimum", "maximum", "rungs"),
    [
        (1, 9, [(1, 3), (3,), ()]),
        (1, 27, [(1, 3, 9), (3, 9), (9,), ()]),
        (1, 10, [(1, 3, 9), (3, 9), (9,)]),
        (2, 4, [(2,)]),
        (5, 9, [(5,)]),
    ],
)
def test_brackets_and_rungs(minimum: int, maximum: int, rungs: list[tuple[int, ...]]) -> None:
    made = hyperband(minimum, maximum)
    assert [made.rungs(bracket) for bracket in range(made.brackets)] == rungs


def test_brackets_take_turns_by_their_shares() -> None:
    made = hyperband(1, 9)
    turns = [made.bracket(number) for number in range(1, 19)]
    assert [turns.count(bracket) for bracket in range(3)] == [9, 6, 3]
    assert set(turns[:6]) == {0, 1, 2}
    assert [made.bracket(number) for number in range(19, 37)] == turns


def test_only_the_best_third_goes_on_from_a_rung() -> None:
    made = hyperband(2, 4)                      # one bracket with a rung at 2
    others = [trial(number, [0.5, 0.1 * number]) for number in range(1, 6)]
    bad, good = trial(6, [0.9, 0.35]), trial(6, [0.0, 0.45])
    assert made.reason_to_stop(bad, [*others, bad], 1) == (
        "hyperband: 0.35 at step 2 is number 3 of 6, and 2 may go on"
    )
    assert made.reason_to_stop(good, [*others, good], 1) is None
    worst_first = hyperband(2, 4, Direction.MINIMIZE)
    assert worst_first.reason_to_stop(good, [*others, good], 1) is not None


def test_trials_are_judged_once_per_rung_even_when_reports_come_late_or_together() -> None:
    made = hyperband(2, 8)                      # rungs of bracket 0 at 2 and 6
    others = [trial(number, [0.9] * 6) for number in range(1, 5) if made.bracket(number) == 0]
    number = next(number for number in range(5, 99) if made.bracket(number) == 0)
    late = trial(number, [0.1, 0.1, 0.1])
    assert made.reason_to_stop(late, [*others, late], 1) is not None
    assert made.reason_to_stop(late, [*others, late], 2) is None
    assert made.reason_to_stop(trial(number, [0.1]), others, 0) is None
    skipping = replace(late, history=((4, 0.1),))
    assert made.reason_to_stop(skipping, [*others, skipping], 0) is not None


def test_the_first_at_a_rung_goes_on_and_brackets_do_not_mix() -> None:
    made = hyperband(1, 9)
    first = trial(1, [0.0])
    assert made.reason_to_stop(first, [first], 0) is None
    strangers = [trial(number, [0.9]) for number in range(2, 19) if made.bracket(number) != made.bracket(1)]
    assert made.reason_to_stop(first, [first, *strangers], 0) is None


def test_a_value_that_is_not_a_number_loses() -> None:
    made = hyperband(1, 3)
    numbers = [number for number in range(1, 19) if made.bracket(number) == 0]
    good, broken = trial(numbers[0], [0.1]), trial(numbers[1], [float("nan")])
    assert made.reason_to_stop(broken, [good, broken], 0) is not None


def test_a_range_of_epochs_is_held_at_its_largest() -> None:
    settings = TuningSettings(
        name="t",
        space=Space((Continuous("lr", 0.001, 0.1), Integer("epochs", 2, 9))),
        objective="valid:accuracy",
        direction=Direction.MAXIMIZE,
        strategy="hyperband",                   # pyright: ignore[reportArgumentType]
    )
    strategy = strategy_for(settings)
    assert stop_rule_for(settings, strategy) is strategy
    point = strategy.suggest([])
    assert point is not None
    assert point["epochs"] == 9
