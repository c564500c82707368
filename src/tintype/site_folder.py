"""The folder that brings debugger, profiler and old names into a script: put on PYTHONPATH, it has Python's
`sitecustomize`.

Which of them starts, if any, the variables of the environment say: `debugger/startup.py`, `profiler/startup.py`,
`old_names.py`.
"""

from __future__ import annotations

from pathlib import Path


def site_folder() -> Path:
    """The folder to put on the PYTHONPATH of a script that shall be watched."""
    return Path(__file__).parent / "site"
