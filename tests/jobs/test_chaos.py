"""A few rounds of chaos with every run of the tests; `make chaos` has many."""

from __future__ import annotations

from pathlib import Path

from tests.jobs.chaos import run

ROUNDS = 12


def test_every_job_ends_in_a_true_state_whoever_is_killed(tmp_path: Path) -> None:
    deeds, ends = run(tmp_path, ROUNDS, seed=20)
    assert sum(deeds.values()) == ROUNDS
    assert sum(ends.values()) >= 4
