"""Where the time and the money go: system metrics, spans of the training, their readers, and what limits a job.

    import tintype.profiler
    profile = tintype.profiler.open("job-name")         # or a job's folder, or a profiler-output
    profile.system().to_frame(), profile.steps().to_frame()
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tintype.profiler.readers import JobProfile


def open(job: str | Path, home: str | Path | None = None) -> JobProfile:
    """The profile of a job: by its name in `home` (default: TINTYPE_HOME), its folder, or its `profiler-output`.

    Raises `NotFound` when there is none.
    """
    # It loads NumPy, which a script that is only watched need not.
    from tintype.profiler.opening import open_job

    return open_job(job, home)
