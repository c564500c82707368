"""kill -9 of the coordinator, at any moment and again and again: no trial is lost and none is doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

KILLS = 20


def test_a_coordinator_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killing.py")
    command = [sys.executable, "-W", "error", str(script), str(tmp_path), str(KILLS), "7"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=280).stdout)
    assert found["killed"] == KILLS
    assert found["status"] == "Completed"
    assert found["statuses"] == ["Completed"]
    assert found["numbers"] == list(range(1, 61))       # none lost, none doubled
    assert found["unknown"] == []                       # every start belongs to a trial in the store
    assert found["run_twice"] == []                     # none that had ended was begun again
    assert found["changed"] == []                       # nor touched
    assert found["attempts"] > 1                        # and the kills did hit running trials
