"""What watches one job, for another: its hook, its rules and its profiler, with the other's name and directory.

A search keeps what is asked for once, under a directory that stands for a trial's own, and each trial gets its own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tintype.jobs.job import Companion, JobSpec
from tintype.profiler.capture_settings import VARIABLE

ANY_JOB = "/any-job"                    # the directory of a job that there is not yet, in what is kept for it


def watched_anew(spec: JobSpec, old_directory: str, name: str, directory: Path) -> JobSpec:
    """The specification of a job that is watched, for a new job that is to be watched in the same way."""
    environment = {
        key: value.replace(old_directory, str(directory)) if key == VARIABLE else value
        for key, value in spec.environment.items()
    }
    companions = tuple(_anew(one, old_directory, name, directory) for one in spec.companions)
    return replace(spec, environment=environment, companions=companions)


def watched_like(spec: JobSpec, kept: JobSpec, name: str, directory: Path) -> JobSpec:
    """`spec`, which nobody watches, with what watches `kept`, a job in `ANY_JOB`."""
    like = watched_anew(kept, ANY_JOB, name, directory)
    return replace(
        spec,
        debugger=like.debugger,
        rules=like.rules,
        profiler=like.profiler,
        environment={**spec.environment, **like.environment},
        configuration={**spec.configuration, **like.configuration},
        companions=(*spec.companions, *like.companions),
    )


def _anew(companion: Companion, old_directory: str, name: str, directory: Path) -> Companion:
    moved = [word.replace(old_directory, str(directory)) for word in companion.command]
    if "--job" in moved:
        moved[moved.index("--job") + 1] = name
    return replace(companion, command=tuple(moved))
