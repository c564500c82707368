"""Which steps a window saves."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.debugger.modes import Mode
from tintype.debugger.save_config import SaveConfig, SaveWindow
from tintype.errors import InvalidRequest


def saved(window: SaveWindow, steps: int = 30) -> list[int]:
    return [step for step in range(steps) if window.saves(step)]


def test_the_interval_counts_from_zero_and_the_end_is_left_out() -> None:
    assert saved(SaveWindow(interval=5, start=7, end=20)) == [10, 15]


def test_named_steps_are_saved_wherever_they_lie() -> None:
    assert saved(SaveWindow(interval=10, start=5, end=15, steps=(2, 3, 29))) == [2, 3, 10, 29]


def test_the_default_is_each_five_hundredth() -> None:
    assert [step for step in range(1501) if SaveWindow().saves(step)] == [0, 500, 1000, 1500]


@pytest.mark.parametrize("wrong", [{"interval": 0}, {"start": -1}, {"end": -5}, {"steps": (-1,)}])
def test_what_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidRequest):
        SaveWindow(**wrong)     # type: ignore[arg-type]


def test_a_mode_has_its_own_window() -> None:
    config = SaveConfig(train=SaveWindow(2), eval=SaveWindow(3))
    assert config.saves(Mode.TRAIN, 4)
    assert not config.saves(Mode.EVAL, 4)
    assert not config.saves(Mode.GLOBAL, 4)


windows = st.builds(
    SaveWindow,
    interval=st.integers(1, 1000),
    start=st.integers(0, 100),
    end=st.none() | st.integers(0, 1000),
    steps=st.lists(st.integers(0, 50)).map(tuple),
)


@given(st.builds(SaveConfig, windows, windows, windows, windows))
def test_json_says_the_same(config: SaveConfig) -> None:
    assert SaveConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
