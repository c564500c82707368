"""Runs a script with our package smdebug on its path, as a job has it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tintype.debugger import compat_path


def run_script(script: str, directory: Path, **environment: str) -> str:
    """What the script prints. It runs in `directory`; its error is ours."""
    path = os.pathsep.join([str(compat_path()), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        cwd=directory, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip
    assert not done.returncode, done.stderr[-3000:]
    return done.stdout
