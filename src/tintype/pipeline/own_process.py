"""What every process that looks after one named thing of a home has around its work."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from tintype.errors import LeaseLost, TintypeError
from tintype.settings import Settings
from tintype.workspace import Workspace, open_workspace


def run_as_process(module: str, arguments: list[str], work: Callable[[Workspace, str], None]) -> int:
    """`python -m MODULE --home HOME NAME`: `work` on that name in that home, and the exit code.

    0 when the work has come to an end that its record tells. What went wrong is said on standard error, which whoever
    started the process keeps in a file.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--home", type=Path)
    parser.add_argument("name")
    given = parser.parse_args(arguments)
    try:
        with open_workspace(Settings.from_environment(os.environ, given.home)) as workspace:
            work(workspace, given.name)
        return 0
    except LeaseLost as error:
        print(f"left to another process: {error}", file=sys.stderr)
        return 1
    except TintypeError as error:
        print(str(error), file=sys.stderr)
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1
