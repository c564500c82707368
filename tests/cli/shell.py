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
        # readline, which pytest imports, puts COLUMNS where only children see it: they get what Python itself sees
        environ = dict(os.environ)
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environ)
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str | Path, code: int = 0) -> Answer:
        """The JSON object on the standard output."""
        return json.loads(self(*words, "--json", code=code).stdout)
