from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from tests.jobs.test_requirements import wheel
from tintype.jobs.provided import PROVIDED, base_constraints, is_provided, provided_constraints


def test_what_is_provided(tmp_path: Path) -> None:
    assert is_provided("torch", sys.path)
    assert not is_provided("torch", [str(tmp_path)])
    assert not is_provided("requests", sys.path)
    assert f"numpy=={metadata.version('numpy')}\n" in set(provided_constraints())
    assert "smdebug" in PROVIDED


def test_a_script_that_calls_pip_cannot_change_what_all_jobs_share(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels", "numpy", "99.0")
    constraints = base_constraints(tmp_path / "environments")
    assert base_constraints(tmp_path / "environments") == constraints
    assert f"numpy=={metadata.version('numpy')}\n" in constraints.read_text()
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--find-links", tmp_path / "wheels"]
    for requirement, fails in (("numpy", False), ("numpy==99.0", True)):
        ran = subprocess.run(
            [*command, requirement], env={**os.environ, "PIP_CONSTRAINT": str(constraints)}, capture_output=True,
            check=False,
        )  # fmt: skip
        assert (ran.returncode != 0) is fails
