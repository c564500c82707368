from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tintype.tuning.completion import best_trial, reason_of_failure, reason_to_complete, reason_to_give_up
from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Continuous
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.trial import Trial, TrialStatus

SPACE = Space((Continuous("lr", 0.001, 0.1),))


def settings(**values: Any) -> TuningSettings:
    return TuningSettings(**{"name": "t", "space": SPACE, "objective": "valid:loss", "direction": "Minimize", **values})


def trials(*values: float | None, status: TrialStatus = TrialStatus.COMPLETED) -> list[Trial]:
    return [
        replace(Trial(number, f"t-{number:03d}", {}, ()), status=status, value=value, ended_at=float(number))
        for number, value in enumerate(values, start=1)
    ]


def test_best_is_the_earliest_of_the_best_completed() -> None:
    found = trials(0.5, 0.2, 0.2, 0.9)
    assert best_trial(found, Direction.MINIMIZE) is found[1]
    assert best_trial(found, Direction.MAXIMIZE) is found[3]
    assert best_trial(trials(0.5, status=TrialStatus.STOPPED), Direction.MINIMIZE) is None
    assert best_trial([], Direction.MINIMIZE) is None


def test_best_of_zero() -> None:
    found = trials(0.0, -1.0)
    assert best_trial(found, Direction.MINIMIZE) is found[1]
    assert best_trial(found, Direction.MAXIMIZE) is found[0]


def test_target() -> None:
    assert reason_to_complete(settings(target_value=0.3), trials(0.5, 0.4), 0) is None
    reason = reason_to_complete(settings(target_value=0.3), trials(0.5, 0.3), 0)
    assert reason == "trial t-002 reached the target: valid:loss 0.3 (target 0.3)"
    assert reason_to_complete(settings(target_value=0.6, direction="maximize"), trials(0.5), 0) is None


def test_runtime() -> None:
    assert reason_to_complete(settings(max_runtime_seconds=10), [], 9.9) is None
    assert reason_to_complete(settings(max_runtime_seconds=10), [], 10.0) == "the runtime of 10 s is over"


def test_not_improving() -> None:
    asked = settings(max_jobs_not_improving=2)
    assert reason_to_complete(asked, trials(0.5, 0.4, 0.6), 0) is None
    assert reason_to_complete(asked, trials(0.5, 0.4, 0.6, 0.4), 0) is not None
    assert reason_to_complete(asked, trials(None, None, status=TrialStatus.FAILED), 0) is None


def test_converged() -> None:
    asked = settings(stop_when_converged=True)
    falling = [1.0 / number for number in range(1, 41)]
    assert reason_to_complete(asked, trials(*falling[:12]), 0) is None
    assert reason_to_complete(asked, trials(*falling[:19]), 0) is None
    flat = trials(*falling[:12], *[0.5] * 10)
    assert reason_to_complete(asked, flat, 0) == "converged: the last 10 trials made the best hardly better"
    assert reason_to_complete(asked, flat[:-1], 0) is None
    assert reason_to_complete(settings(), flat, 0) is None
    assert reason_to_complete(asked, trials(*falling[:12], *[0.5] * 9, 0.001), 0) is None
    assert reason_to_complete(asked, trials(*[0.5] * 20), 0) is not None
    higher = settings(stop_when_converged=True, direction="maximize")
    assert reason_to_complete(higher, trials(*[-value for value in falling[:12]], *[-0.5] * 10), 0) is not None


def test_giving_up() -> None:
    failed = trials(*[None] * 5, status=TrialStatus.FAILED)
    assert reason_to_give_up(settings(), failed[:4]) is None
    assert reason_to_give_up(settings(), failed) == "the first 5 trials failed"
    assert reason_to_give_up(settings(), [*failed, *trials(0.1)]) is None
    assert reason_to_give_up(settings(give_up_after=2), failed[:2]) is not None


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({}, "the metric 'valid:loss' was never reported; nor was any other"),
        ({"v:loss": 1.0, "a": 2.0}, "the metric 'valid:loss' was never reported; the metrics that were are a, v:loss"),
    ],
)
def test_a_failure_names_the_first_failures_and_the_metric_never_seen(metrics: dict[str, float], said: str) -> None:
    failed = [replace(one, reason=f"because {'abcde'[one.number - 1]}", metrics=metrics) for one in
              trials(*[None] * 5, status=TrialStatus.FAILED)]
    reason = reason_of_failure(settings(), failed)
    assert reason.startswith(
        "No training job succeeded after 5 attempts. Please take a look at the training job failures to get more "
        "details. t-001: because a; t-002: because b; t-003: because c; "
    )
    assert "because d" not in reason
    assert reason.endswith(said)


ALL_ALIKE = "the first 3 trials failed in the same way, whatever their hyperparameters"


@pytest.mark.parametrize(
    ("reasons", "change", "given_up"),
    [
        (["NameError: name 'x' (hpo.py, line 3)"] * 3, {}, True),
        (["loss 0.1 is bad: ants-{n}", "loss 2e-5 is bad: ants-{n}", "loss -3 is bad: ants-{n}"], {}, True),
        (["broken (hpo.py, line 3)", "broken (hpo.py, line 3)", "broken (hpo.py, line 4)"], {}, False),
        (["out of memory", "out of memory", "no such layer"], {}, False),
        (["broken"] * 2, {}, False),
        (["broken"] * 3, {"history": ((1, 0.5),)}, False),                      # it measured something
        (["broken"] * 3, {"hyperparameters": {"lr": 0.1}}, False),              # that may be the cause
    ],
)
def test_failures_that_are_all_alike_are_enough_sooner(
    reasons: list[str], change: dict[str, Any], given_up: bool
) -> None:
    failed = trials(*[None] * len(reasons), status=TrialStatus.FAILED)
    for number, text in enumerate(reasons):
        own = {"name": f"ants-{number}", "reason": text.format(n=number), "hyperparameters": {"lr": number / 9}}
        failed[number] = replace(failed[number], **{**own, **change})
    assert reason_to_give_up(settings(give_up_alike=3), failed) == (ALL_ALIKE if given_up else None)
    assert reason_to_give_up(settings(), failed) is None


def test_what_failed_alike_is_said_once() -> None:
    failed = trials(*[None] * 4, status=TrialStatus.FAILED)
    alike = [replace(one, reason=f"lr {one.number}.5 is too large") for one in failed[:3]]
    reason = reason_of_failure(settings(), [*alike, replace(failed[3], reason="out of luck", history=((1, 0.1),))])
    assert reason.endswith("t-001: lr 1.5 is too large (and 2 others like it); t-004: out of luck")


def test_a_metric_that_was_seen_is_not_blamed() -> None:
    failed = [replace(one, history=((1, 0.5),)) for one in trials(None, status=TrialStatus.FAILED)]
    assert "never reported" not in reason_of_failure(settings(), failed)
