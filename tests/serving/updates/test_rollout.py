"""Updates on a clock of our own: every way of shifting, and every reason to go back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from tintype.serving.updates.rollout import NEXT, DeploymentPolicy, Rollout, Seen, Shift, Stage, advance, compare
from tintype.serving.variants.health import Health


def health(requests: int, errors: int, p50: float, p99: float) -> Health:
    return Health(requests, errors, p50, p99, p99)


GOOD = health(1000, 0, 0.01, 0.02)
READY = Seen(ready=True, new=GOOD, old=GOOD)


def history(policy: DeploymentPolicy, seen: Seen = READY, seconds: int = 400) -> list[tuple[float, Stage, float]]:
    """(when, stage, share) of every change, looking once a second."""
    rollout = Rollout(since=0.0)
    changes = []
    for now in range(seconds):
        after = advance(rollout, policy, seen, float(now))
        if after != rollout:
            changes.append((float(now), after.stage, after.share))
        rollout = after
    return changes


def test_all_at_once() -> None:
    assert history(DeploymentPolicy(bake_seconds=20)) == [(0, Stage.BAKING, 1.0), (20, Stage.COMPLETE, 1.0)]


def test_a_canary() -> None:
    policy = DeploymentPolicy(shift=Shift.CANARY, step_percent=5, step_seconds=30, bake_seconds=20)
    assert history(policy) == [(0, Stage.SHIFTING, 0.05), (30, Stage.BAKING, 1.0), (50, Stage.COMPLETE, 1.0)]


def test_step_by_step() -> None:
    policy = DeploymentPolicy(shift=Shift.LINEAR, step_percent=25, step_seconds=10, bake_seconds=5)
    assert history(policy) == [
        (0, Stage.SHIFTING, 0.25),
        (10, Stage.SHIFTING, 0.5),
        (20, Stage.SHIFTING, 0.75),
        (30, Stage.BAKING, 1.0),
        (35, Stage.COMPLETE, 1.0),
    ]


@given(some.floats(0.5, 50), some.sampled_from(Shift))
def test_shares_grow_to_one(percent: float, shift: Shift) -> None:
    shares = DeploymentPolicy(shift=shift, step_percent=percent).shares
    assert list(shares) == sorted(set(shares))
    assert shares[-1] == 1
    assert all(0 < share < 1 for share in shares[:-1])


def test_what_never_starts_goes_back() -> None:
    policy = DeploymentPolicy(start_seconds=60)
    assert history(policy, Seen(ready=False)) == [(61, Stage.ROLLED_BACK, 0)]
    failed = advance(Rollout(0.0), policy, Seen(failure="no such class"), 1.0)
    assert (failed.stage, failed.reason) == (Stage.ROLLED_BACK, "no such class")


@pytest.mark.parametrize("stage", [Stage.SHIFTING, Stage.BAKING])
@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (health(100, 30, 0.01, 0.02), "30 of 100 requests failed; 2.0% are put up with"),
        (health(100, 0, 0.01, 0.5), "99 % of requests take 500 ms, 20 ms before"),
    ],
)
def test_errors_and_latency_send_it_back(stage: Stage, new: Health, reason: str) -> None:
    rollout = Rollout(since=0.0, stage=stage, share=0.1, step=0)
    after = advance(rollout, DeploymentPolicy(), Seen(True, new=new, old=GOOD), 1.0)
    assert (after.stage, after.share, after.reason) == (Stage.ROLLED_BACK, 0.0, reason)


def test_few_requests_and_small_differences_prove_nothing() -> None:
    policy = DeploymentPolicy()
    assert compare(policy, health(2, 0, 9.0, 9.0), GOOD) == ""             # two slow ones
    assert compare(policy, health(1000, 0, 9.0, 9.0), health(3, 0, 0.01, 0.01)) == ""
    assert compare(policy, health(40, 1, 0.01, 0.02), GOOD) == ""          # one error in forty
    assert compare(policy, health(1000, 0, 0.01, 0.06), GOOD) == ""        # three times, but by 40 ms
    assert compare(policy, health(2, 2, 0, 0), GOOD) == ""                 # two accidents
    assert compare(policy, health(3, 3, 0, 0), GOOD) != ""                 # three of three is too much
    already_bad = health(1000, 400, 0.01, 0.02)
    assert compare(policy, health(100, 40, 0.01, 0.02), already_bad) == ""


def test_finished_is_finished() -> None:
    for stage in (Stage.COMPLETE, Stage.ROLLED_BACK):
        rollout = Rollout(0.0, stage)
        assert advance(rollout, DeploymentPolicy(), Seen(failure="too late"), 1e9) is rollout


@given(some.lists(some.builds(
    Seen, some.booleans(), some.sampled_from(["", "broken"]),
    some.builds(health, some.integers(100, 200), some.integers(0, 100), some.just(0.01), some.floats(0, 1)),
    some.just(GOOD),
), max_size=40), some.sampled_from(Shift))  # fmt: skip
def test_only_legal_moves_whatever_is_seen(seen: list[Seen], shift: Shift) -> None:
    policy = DeploymentPolicy(shift=shift, step_percent=30, step_seconds=1, bake_seconds=2, start_seconds=5)
    rollout = Rollout(0.0)
    for now, one in enumerate(seen):
        after = advance(rollout, policy, one, float(now))
        if after != rollout:
            assert after.stage in NEXT[rollout.stage]
            assert after.stage is Stage.ROLLED_BACK or after.share >= rollout.share
        rollout = after


def test_a_policy_has_bounds() -> None:
    with pytest.raises(ValidationError):
        DeploymentPolicy(step_percent=60)
    with pytest.raises(ValidationError):
        DeploymentPolicy.model_validate({"bake": 3})
