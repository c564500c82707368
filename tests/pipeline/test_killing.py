"""kill -9 of the coordinator over the real engine: no trial is lost, doubled or stuck."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
KILLS = 20


def test_a_coordinator_of_real_jobs_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.pipeline.killing", str(tmp_path), str(KILLS), "7"]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=280)
    found = json.loads(done.stdout)
    assert KILLS // 2 <= found["killed"] <= KILLS       # on a quick machine the search may end before the last of them
    assert (found["status"], found["statuses"], found["jobs"]) == ("Completed", ["Completed"], ["Completed"])
    assert found["numbers"] == list(range(1, 41))       # none lost, none doubled
    assert found["without_trial"] == []                 # every job is a trial's, and every trial has one
    assert found["begun_twice"] == []                   # the engine went on while nobody coordinated
    assert found["histories"] == [2]                    # and nothing that they said was lost or read twice
    assert found["attempts"] > 1                        # the kills did hit running trials
