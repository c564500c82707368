"""When a batch is released, and why."""

from __future__ import annotations

import pytest

from tintype.serving.workers.batching import BatchLimits, Reason, reason_to_release

LIMITS = BatchLimits(pictures=8, wait_seconds=0.01)


@pytest.mark.parametrize(
    ("waiting", "oldest_waited", "on_their_way", "reason"),
    [
        (8, 0.0, 5, Reason.FULL),
        (20, 0.0, 0, Reason.FULL),
        (1, 0.0, 0, Reason.ALL_HERE),       # one caller alone never waits
        (7, 0.009, 1, None),
        (1, 0.01, 9, Reason.WAITED),
        (1, 5.0, 9, Reason.WAITED),
    ],
)
def test_reasons(waiting: int, oldest_waited: float, on_their_way: int, reason: Reason | None) -> None:
    assert reason_to_release(LIMITS, waiting, oldest_waited, on_their_way) is reason


def test_without_patience_nothing_waits() -> None:
    assert reason_to_release(BatchLimits(8, 0.0), 1, 0.0, 9) is Reason.WAITED
