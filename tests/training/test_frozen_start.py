from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.training.small_jobs import PlanMaker
from tintype.settings import Settings
from tintype.training.frozen_start import Start, open_start
from tintype.training.plan import TrainingPlan
from tintype.training.session import Host, Session, open_session

FROZEN: dict[str, Any] = {"freeze": "backbone", "augmentation": "flip"}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[TrainingPlan], tuple[Start, int]]:
    """Opens a plan's start as a new process would, and says how many networks were built for it."""
    built: list[str] = []
    create = Session.create_network
    monkeypatch.setattr(Session, "create_network", lambda session: built.append("one") or create(session))

    def start(plan: TrainingPlan) -> tuple[Start, int]:
        built.clear()
        return open_start(open_session(plan, lambda event: None, Host())), len(built)

    return start


@pytest.fixture
def make_fresh(make_plan: PlanMaker, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TrainingPlan]:
    """Plans whose home nobody has used."""
    settings = Settings(home=tmp_path_factory.mktemp("fresh"), offline=True)
    return lambda changed=None: make_plan(FROZEN | (changed or {})).model_copy(update={"settings": settings})


def test_the_second_trial_builds_no_network_and_begins_the_same(
    make_fresh: Callable[..., TrainingPlan], opened: Callable[[TrainingPlan], tuple[Start, int]]
) -> None:
    first, built = opened(make_fresh())
    second, built_again = opened(make_fresh({"lr": 0.5, "batch-size": 4}))
    assert (built, built_again) == (1, 0)
    assert second.head_name == first.head_name == "head"
    assert second.features.precision == first.features.precision
    for name, weight in first.head.state_dict().items():
        assert torch.equal(weight, second.head.state_dict()[name])
    assert torch.equal(first.features.train.all(), second.features.train.all())


def test_another_seed_begins_with_another_head(
    make_fresh: Callable[..., TrainingPlan], opened: Callable[[TrainingPlan], tuple[Start, int]]
) -> None:
    first, _ = opened(make_fresh())
    second, built = opened(make_fresh().model_copy(update={"seed": 7}))
    assert built == 1
    assert not torch.equal(first.head.state_dict()["weight"], second.head.state_dict()["weight"])


def test_features_that_were_cleared_are_computed_again(
    make_fresh: Callable[..., TrainingPlan], opened: Callable[[TrainingPlan], tuple[Start, int]]
) -> None:
    plan = make_fresh()
    first, _ = opened(plan)
    expected = first.features.train.all()
    del first
    shutil.rmtree(plan.feature_cache)
    second, built = opened(plan)
    assert built == 1
    torch.testing.assert_close(second.features.train.all(), expected)


def test_a_head_of_several_layers_is_built_with_its_network(
    make_fresh: Callable[..., TrainingPlan], opened: Callable[[TrainingPlan], tuple[Start, int]]
) -> None:
    chosen = {"model": "test_convnext", "image-size": 64}
    first, _ = opened(make_fresh(chosen))
    second, _ = opened(make_fresh(chosen))
    for name, weight in first.head.state_dict().items():
        assert torch.equal(weight, second.head.state_dict()[name])
