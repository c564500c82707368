from __future__ import annotations

import io

import pytest
from rich.console import Console

from tintype.cli.display import Display, chosen, trial_table
from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Continuous
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState
from tintype.tuning.trial import Trial, TrialStatus

SETTINGS = TuningSettings(
    name="ants",
    space=Space((Continuous("lr", 0.001, 0.1),)),
    objective="loss",
    direction=Direction.MINIMIZE,
    max_jobs=500,
)
DONE, FAILED, RUNS = TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.IN_PROGRESS


def trial(number: int, status: TrialStatus = DONE, value: float | None = None, reason: str = "") -> Trial:
    settings = {"lr": number / 1000}
    return Trial(number, f"ants-{number}", settings, ("lr",), status=status, value=value, reason=reason)


def five_hundred() -> TuningState:
    trials = [trial(number, value=1.0 + number / 1000) for number in range(1, 501)]
    trials[136] = trial(137, value=0.5)
    trials[300] = trial(301, RUNS)
    return TuningState(SETTINGS, trials=tuple(trials))


def printed(*states: TuningState, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200, height=24, color_system=None)
    with Display(console, clock=lambda: 0.0) as display:
        for state in states:
            display.trials(state)
    return out.getvalue()


def test_a_long_table_shows_the_best_those_that_run_and_the_newest() -> None:
    state = five_hundred()
    assert [one.number for one in chosen(state, 12)] == [137, 301, *range(491, 501)]
    assert [one.number for one in chosen(state, 500)] == list(range(1, 501))
    out = io.StringIO()
    Console(file=out, width=100).print(trial_table(state))
    assert len(out.getvalue().splitlines()) <= 16
    assert "500 trials: 1 InProgress, 499 Completed" in out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_why_trials_fail_is_said_once_in_full_and_at_once(terminal: bool) -> None:
    why = "the script ended with exit code 1: NameError: name 'tochvision' is not defined (hpo.py, line 12)"
    failed = [trial(number, FAILED, reason=why) for number in range(1, 5)]
    states = [TuningState(SETTINGS, trials=tuple(failed[:count])) for count in range(1, 5)]
    later = [TuningState(SETTINGS, trials=(trial(1, RUNS), failed[1])), TuningState(SETTINGS, trials=tuple(failed[:2]))]
    assert printed(*later, terminal=terminal).count("(hpo.py, line 12)") == 1       # the second ended first
    first = printed(states[0], terminal=terminal)
    assert f"trial 1 (lr=0.001) failed: {why}" in first
    everything = printed(*states, terminal=terminal)
    assert everything.count("(hpo.py, line 12)") == 1
    if not terminal:
        assert "trial 4 failed like trial 1  lr=0.004" in everything
