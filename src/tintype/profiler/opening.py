"""A job's profile by whatever a person calls the job."""

from __future__ import annotations

import os
from pathlib import Path

from tintype.errors import NotFound
from tintype.profiler.readers import JobProfile
from tintype.settings import Settings

FOLDER = "profiler-output"
JOBS = "jobs"                           # below the home, as the workspace has them


def open_job(job: str | Path, home: str | Path | None = None) -> JobProfile:
    """The profile of a job: by its name, its folder, or its `profiler-output`. Raises `NotFound`."""
    given = Path(job)
    root = Path(home) if home is not None else Settings.from_environment(os.environ).home
    for place in (given / FOLDER, given, root / JOBS / given.name / FOLDER):
        if place.is_dir() and ((place / "system").is_dir() or (place / "framework").is_dir()):
            return JobProfile(place)
    raise NotFound(f"there is no profile of {str(job)!r}, neither as a folder nor as a job below {root}")
