"""An update, decided: new replicas start beside the old ones, traffic is shifted to them, and back when they do worse.

Pure: `advance` is given what was seen and what time it is, and says where the update stands. `reconciler` acts on it.

    Starting ──→ Shifting ──→ Baking ──→ Complete
        └────────────┴───────────┴─────→ RolledBack

Shifting goes through the policy's shares, and stays `step_seconds` at each; Baking has all traffic on the new replicas
while the old ones wait, so that going back takes no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import final

from pydantic import BaseModel, ConfigDict, Field

from tintype.serving.variants.health import Health, lowest_rate

FEWEST_ERRORS = 3           # fewer may be an accident, however few requests there were


class Shift(StrEnum):
    """How traffic goes over to the new replicas, in SageMaker's words."""

    ALL_AT_ONCE = "ALL_AT_ONCE"
    CANARY = "CANARY"               # a first share, then all
    LINEAR = "LINEAR"               # share by share


class DeploymentPolicy(BaseModel):
    """How an update goes, and what makes it go back."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shift: Shift = Shift.ALL_AT_ONCE
    step_percent: float = Field(default=10.0, gt=0, le=50, description="of the traffic: the canary's, or each step's")
    step_seconds: float = Field(default=30.0, ge=0, description="how long each share is watched before the next")
    bake_seconds: float = Field(default=10.0, ge=0, description="how long the old replicas wait after the last shift")
    start_seconds: float = Field(default=300.0, gt=0, description="how long the new replicas may take to be ready")
    most_errors: float = Field(default=0.02, ge=0, le=1, description="share of failed requests that is put up with")
    most_slowdown: float = Field(default=2.0, ge=1, description="p99 of the new ones over that of the old ones")
    slack_seconds: float = Field(default=0.05, ge=0, description="a slowdown by less than this is none")
    fewest_requests: int = Field(default=50, ge=1, description="the latency of fewer requests is not judged")

    @property
    def shares(self) -> tuple[float, ...]:
        """The new replicas' share of the traffic at each step, 0 to 1; the last is 1."""
        step = self.step_percent / 100
        match self.shift:
            case Shift.ALL_AT_ONCE:
                return (1.0,)
            case Shift.CANARY:
                return (step, 1.0)
            case Shift.LINEAR:
                whole = int(1 / step - 1e-9)
                return (*(step * (number + 1) for number in range(whole)), 1.0)


class Stage(StrEnum):
    """Where an update stands."""

    STARTING = "Starting"
    SHIFTING = "Shifting"
    BAKING = "Baking"
    COMPLETE = "Complete"
    ROLLED_BACK = "RolledBack"

    @property
    def is_finished(self) -> bool:
        """Nothing comes after it."""
        return not NEXT[self]


NEXT: Mapping[Stage, frozenset[Stage]] = {
    Stage.STARTING: frozenset({Stage.SHIFTING, Stage.BAKING, Stage.ROLLED_BACK}),
    Stage.SHIFTING: frozenset({Stage.SHIFTING, Stage.BAKING, Stage.ROLLED_BACK}),
    Stage.BAKING: frozenset({Stage.COMPLETE, Stage.ROLLED_BACK}),
    Stage.COMPLETE: frozenset(),
    Stage.ROLLED_BACK: frozenset(),
}


@final
@dataclass(frozen=True)
class Rollout:
    """One update under way. Times are those of one monotonic clock."""

    since: float                    # when it came to where it stands
    stage: Stage = Stage.STARTING
    share: float = 0.0              # of the traffic that the new replicas get, 0 to 1
    step: int = -1                  # index into the policy's shares
    reason: str = ""                # why it went back


NONE_YET = Health()


@final
@dataclass(frozen=True)
class Seen:
    """What the update is judged by: the new replicas and the old ones since the new ones came to their share."""

    ready: bool = False             # the new replicas have started and answer
    failure: str = ""               # why they will not, or why they are to be given up
    new: Health = NONE_YET
    old: Health = NONE_YET


def advance(rollout: Rollout, policy: DeploymentPolicy, seen: Seen, now: float) -> Rollout:
    """Where the update stands now; the same when nothing has changed. One step at a time: call it until it rests."""
    if rollout.stage.is_finished:
        return rollout
    complaint = _complaint(rollout, policy, seen, now)
    if complaint:
        return replace(rollout, since=now, stage=Stage.ROLLED_BACK, share=0.0, reason=complaint)
    waited = now - rollout.since
    match rollout.stage:
        case Stage.STARTING if seen.ready:
            return _at_step(rollout, policy, 0, now)
        case Stage.SHIFTING if waited >= policy.step_seconds:
            return _at_step(rollout, policy, rollout.step + 1, now)
        case Stage.BAKING if waited >= policy.bake_seconds:
            return replace(rollout, since=now, stage=Stage.COMPLETE)
        case _:
            return rollout


def compare(policy: DeploymentPolicy, new: Health, old: Health) -> str:
    """Why the new replicas are not to be trusted, by errors and latency; "" while there is nothing against them.

    Few requests prove little: both count by the lower ends of their confidence intervals, and latency from
    `fewest_requests` on.
    """
    bound = max(policy.most_errors, old.error_rate)
    if new.errors >= FEWEST_ERRORS and lowest_rate(new.errors, new.requests) > bound:
        return f"{new.errors} of {new.requests} requests failed; {bound:.1%} are put up with"
    if min(new.requests - new.errors, old.requests - old.errors) < policy.fewest_requests:
        return ""
    if new.p99_at_least > max(old.p99 * policy.most_slowdown, old.p99 + policy.slack_seconds):
        return f"99 % of requests take {new.p99 * 1e3:.0f} ms, {old.p99 * 1e3:.0f} ms before"
    return ""


def _complaint(rollout: Rollout, policy: DeploymentPolicy, seen: Seen, now: float) -> str:
    if seen.failure:
        return seen.failure
    if rollout.stage is Stage.STARTING:
        late = not seen.ready and now - rollout.since > policy.start_seconds
        return f"the new replicas were not ready after {policy.start_seconds:g} s" if late else ""
    return compare(policy, seen.new, seen.old)


def _at_step(rollout: Rollout, policy: DeploymentPolicy, step: int, now: float) -> Rollout:
    share = policy.shares[step]
    stage = Stage.BAKING if step == len(policy.shares) - 1 else Stage.SHIFTING
    return replace(rollout, since=now, stage=stage, share=share, step=step)
