"""`tintype` in a process of its own, as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Answer = dict[str, Any]


@dataclass(frozen=True)
class Shell:
    """Runs `tintype` in a process, as a user does."""

    home: Path

    def __call__(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "ignore", "-m", "tintype", *map(str, words), "--home", str(self.home)]
        # readline, which pytest imports, says how wide the window is to children, and so to the tests that xdist runs
        environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environ)
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str | Path, code: int = 0) -> Answer:
        """The JSON object on the standard output."""
        return json.loads(self(*words, "--json", code=code).stdout)
