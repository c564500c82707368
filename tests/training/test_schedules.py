from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tintype.training.plan import SchedulePlan
from tintype.training.schedules import Schedule


def factors(plan: SchedulePlan, epoch_steps: int = 10, epochs: int = 4) -> list[float]:
    schedule = Schedule(plan, epoch_steps, epochs)
    return [schedule.factor(step) for step in range(schedule.steps)]


def test_constant_stays() -> None:
    assert set(factors(SchedulePlan(kind="constant"))) == {1.0}


def test_warmup_is_in_steps_and_ends_at_the_top() -> None:
    found = factors(SchedulePlan(kind="constant", warmup_epochs=0.5))
    assert found[:5] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6])
    assert set(found[5:]) == {1.0}


def test_cosine_falls_from_one_to_nearly_none() -> None:
    found = factors(SchedulePlan(kind="cosine"))
    assert found[0] == 1.0
    assert found[20] == pytest.approx(0.5)
    assert 0 < found[-1] < 0.01
    assert found == sorted(found, reverse=True)


def test_one_cycle_rises_then_falls() -> None:
    found = factors(SchedulePlan(kind="one-cycle"))
    top = found.index(max(found))
    assert top == 10
    assert found[0] < 0.2
    assert found[:11] == sorted(found[:11])
    assert found[10:] == sorted(found[10:], reverse=True)


def test_step_drops_every_so_many_epochs() -> None:
    found = factors(SchedulePlan(kind="step", step_epochs=1.5, step_factor=0.5))
    assert found[0] == found[14] == 1.0
    assert found[15] == found[29] == 0.5
    assert found[30] == 0.25


@given(
    st.sampled_from(["constant", "cosine", "one-cycle", "step"]),
    st.integers(1, 30),
    st.integers(1, 5),
    st.floats(0, 10),
)
def test_factors_are_shares_and_never_nothing(kind: str, epoch_steps: int, epochs: int, warmup: float) -> None:
    plan = SchedulePlan.model_validate({"kind": kind, "warmup_epochs": warmup})
    assert all(0 < factor <= 1 for factor in factors(plan, epoch_steps, epochs))


def test_it_sets_all_groups() -> None:
    weights = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimiser = torch.optim.SGD([{"params": [one], "initial_lr": 0.2} for one in weights], lr=0.2)
    assert Schedule(SchedulePlan(kind="cosine"), 1, 2).apply(optimiser, 1) == pytest.approx(0.1)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.1, 0.1])
