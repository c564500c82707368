"""When a batch is released, and why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tintype.serving.workers.batching import FORGOTTEN_SECONDS, BatchLimits, BatchSizes, Reason, reason_to_release

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


def learned(most: int, per_picture: Callable[[int], float], batches: int = 200) -> BatchSizes:
    """What is known after many batches, each as large as was thought best; `per_picture` seconds by size."""
    sizes = BatchSizes(most)
    for size in (1, 1, 1):
        sizes.note(size, per_picture(size), 0)
    for _ in range(batches):
        size = sizes.most(0)
        sizes.note(size, size * per_picture(size), 0)
    return sizes


@pytest.mark.parametrize(
    ("per_picture", "best"),
    [
        (lambda n: 1 / n, 32),                          # a GPU: thirty-two take as long as one
        (lambda n: 1.0, 1),                             # a processor: each takes its time
        (lambda n: 1 + n / 100, 1),                     # larger ones are even worse
        (lambda n: {1: 1.0, 2: 0.7, 4: 0.6}.get(n, 0.9), 4),
        (lambda n: 1.0 if n < 8 else 0.2, 1),           # what pays only after a step that does not is never found
    ],
    ids=["flat", "linear", "worse", "best at four", "beyond"],
)
def test_batches_grow_as_far_as_it_pays(per_picture: Callable[[int], float], best: int) -> None:
    assert learned(32, per_picture).most(0) == best


def test_nothing_is_held_against_a_size_before_it_was_seen_or_for_ever() -> None:
    sizes = BatchSizes(20)
    assert sizes.most(0) == 20
    for _ in range(2):
        sizes.note(1, 1.0, 0)
    assert sizes.most(0) == 20
    sizes.note(1, 1.0, 0)
    assert sizes.most(0) == 2                           # a step more than is known
    for _ in range(3):
        sizes.note(2, 2.0, 0)
    assert sizes.most(0) == 1
    sizes.note(1, 1.0, FORGOTTEN_SECONDS + 1)
    assert sizes.most(FORGOTTEN_SECONDS + 1) == 20      # all was forgotten, and one is not enough


def test_a_backlog_is_worked_off_in_larger_batches_whatever_was_learned() -> None:
    sizes = learned(32, lambda n: 1.0)
    assert [sizes.most(0, waiting) for waiting in (0, 1, 7, 8, 40, 1000)] == [1, 1, 1, 2, 10, 32]


@pytest.mark.parametrize("most", [1, 2, 3, 5, 32, 100])
def test_never_more_than_may_be(most: int) -> None:
    sizes = learned(most, lambda n: 1 / n)
    assert sizes.most(0) == most
