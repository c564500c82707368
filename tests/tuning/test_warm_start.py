from __future__ import annotations

from typing import Any

import pytest

from tests.tuning.strategies.search import searched
from tintype.errors import InvalidRequest
from tintype.tuning.earlier import WarmStartType
from tintype.tuning.ranges import Categorical, Continuous, Range
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.strategies import strategy_for
from tintype.tuning.trial import Trial, TrialStatus
from tintype.tuning.warm_start import note_of_warm_start, warm_started

IDENTICAL, TRANSFER = WarmStartType.IDENTICAL, WarmStartType.TRANSFER
LR = Continuous("lr", 0.0, 1.0)
NET = Categorical("net", ("a", "b"))


def asked(*ranges: Range, **values: Any) -> TuningSettings:
    given = {"name": "child", "objective": "loss", "direction": "Minimize", "max_jobs": 8, **values}
    return TuningSettings(space=Space(ranges or (LR, NET)), **given)


def parent(name: str = "old", *points: tuple[float, str, float], **values: Any) -> TuningState:
    """Completed trials of (lr, net, loss), and one that failed."""
    settings = asked(name=name, **values)
    trials = [
        Trial(number, f"{name}-{number}", {"lr": lr, "net": net, "epochs": 3}, ("lr", "net")).ended(
            TrialStatus.COMPLETED, 1.0, value=loss
        )
        for number, (lr, net, loss) in enumerate(points, start=1)
    ]
    failed = Trial(len(points) + 1, f"{name}-x", {"lr": 0.9, "net": "b"}, ("lr", "net"))
    ended = failed.ended(TrialStatus.FAILED, 1.0, reason="no")
    return TuningState(settings, TuningStatus.COMPLETED, (*trials, ended))


def cost(point: dict[str, Any]) -> float:
    return (float(point["lr"]) - 0.3) ** 2


def test_what_was_found_within_the_ranges_is_copied_and_kept() -> None:
    old = parent("old", (0.1, "a", 0.5), (0.7, "c", 0.1), (0.9, "b", 0.3))
    settings = warm_started(asked(Continuous("lr", 0.0, 0.8), NET), IDENTICAL, [old])
    assert settings.warm_start is not None
    assert settings.warm_start.parents == ("old",)
    assert [(one.job, one.value) for one in settings.warm_start.trials] == [("old-1", 0.5)]
    assert TuningSettings.from_json(settings.to_json()) == settings


def test_parents_that_found_nothing_within_the_ranges_are_said_to_be_of_no_help() -> None:
    old = parent("old", (0.1, "a", 0.5), (0.7, "b", 0.1))
    far = warm_started(asked(Continuous("lr", 0.8, 0.9), NET), TRANSFER, [old])
    said = "no completed trial of old lies within the ranges: the search begins from nothing"
    assert note_of_warm_start(far) == said
    assert len(searched(strategy_for(far), cost, 4)) == 4
    assert note_of_warm_start(warm_started(asked(), TRANSFER, [old])) == note_of_warm_start(asked()) == ""


def test_identical_ones_are_evidence_from_the_first_trial_on() -> None:
    grid = [(number / 20, "a", (number / 20 - 0.3) ** 2) for number in range(21)]
    settings = warm_started(asked(), IDENTICAL, [parent("old", *grid)])
    first = [cost(trial.hyperparameters) for trial in searched(strategy_for(settings), cost, 4)]
    cold = [cost(trial.hyperparameters) for trial in searched(strategy_for(asked()), cost, 4)]
    assert sum(first) < sum(cold) / 4


def test_what_identical_ones_tried_is_not_tried_again() -> None:
    ranges = (Categorical("n", tuple(range(6))), NET)
    state = TuningState(
        asked(*ranges, name="old"),
        TuningStatus.STOPPED,
        tuple(
            Trial(n + 1, f"old-{n}", {"n": n, "net": "a"}, ("n", "net")).ended(TrialStatus.COMPLETED, 1.0, value=0.5)
            for n in range(6)
        ),
    )
    for strategy in ("Bayesian", "Random"):
        settings = warm_started(asked(*ranges, strategy=strategy), IDENTICAL, [state])
        found = searched(strategy_for(settings), lambda point: float(point["n"]), 6)
        assert {trial.hyperparameters["net"] for trial in found} == {"b"}
        assert {trial.hyperparameters["n"] for trial in found} == set(range(6))


def test_others_only_say_where_to_begin() -> None:
    old = parent("old", (0.1, "a", 0.5), (0.4, "b", 0.1), (0.4, "b", 0.2), (0.8, "a", 0.3))
    strategy = strategy_for(warm_started(asked(), TRANSFER, [old]))
    first, second, third, *_ = searched(strategy, cost, 4)
    assert dict(first.hyperparameters) == {"lr": 0.4, "net": "b"}
    assert dict(second.hyperparameters) == {"lr": 0.8, "net": "a"}
    assert third.hyperparameters["lr"] not in (0.1, 0.4, 0.8)


def test_the_same_trials_every_time() -> None:
    settings = warm_started(asked(seed=3), IDENTICAL, [parent("old", (0.1, "a", 0.5), (0.4, "b", 0.1))])
    one, other = (searched(strategy_for(settings), cost, 10) for _ in range(2))
    assert [trial.hyperparameters for trial in one] == [trial.hyperparameters for trial in other]


@pytest.mark.parametrize(
    ("values", "parents", "message"),
    [
        ({}, [], "give 1 to 5 different parents"),
        ({}, [parent("a")] * 2, "different parents"),
        ({}, [parent(f"p{number}") for number in range(6)], "give 1 to 5"),
        ({"strategy": "Grid", "grid_points": 3}, [parent()], "a grid tries every point anyway"),
        ({"objective": "accuracy"}, [parent()], "has the objective Minimize 'loss', not Minimize 'accuracy'"),
        ({"direction": "Maximize"}, [parent()], "not Maximize 'loss'"),
        ({"hyperparameters": {f"h{n}": 1 for n in range(11)}}, [parent()], "11 hyperparameters differ, at most 10 may"),
        ({}, [TuningState(asked(name="old"))], "still runs"),
    ],
)
def test_a_parent_that_cannot_be_one(values: dict[str, Any], parents: list[TuningState], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        warm_started(asked(**values), IDENTICAL, parents)


def test_a_parent_that_knows_nothing_of_a_hyperparameter() -> None:
    with pytest.raises(InvalidRequest, match="has no hyperparameter momentum"):
        warm_started(asked(LR, Continuous("momentum", 0.1, 0.9)), TRANSFER, [parent()])
