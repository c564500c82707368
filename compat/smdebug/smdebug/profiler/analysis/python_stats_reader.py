"""Profiles of Python as smdebug left them, a folder for each:

    framework/<framework>/<profiler>/<node>/<mode>-<step>-<phase>-<us>_<mode>-<step>-<phase>-<us>/python_stats[.json]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from smdebug.profiler.profile_source import ProfileSource
from smdebug.profiler.python_profile_utils import (
    PythonProfileModes,
    PythonProfilerName,
    StepPhase,
    str_to_python_profile_mode,
)

END = r"([a-z]+)-(-?\d+|\*)-([a-z]+)-(\d+(?:\.\d+)?)"
FOLDER = re.compile(f"{END}_{END}")
FILES = {PythonProfilerName.CPROFILE: "python_stats", PythonProfilerName.PYINSTRUMENT: "python_stats.json"}


@dataclass(frozen=True)
class StepPythonProfileStats:
    """One profile and what it covers; times are seconds since the epoch, steps are -1 where there is none."""

    profiler_name: str
    framework: str
    node_id: str
    start_mode: PythonProfileModes
    start_step: int
    start_phase: StepPhase
    start_time_since_epoch_in_secs: float
    end_mode: PythonProfileModes
    end_step: int
    end_phase: StepPhase
    end_time_since_epoch_in_secs: float
    stats_path: str

    def has_start_and_end_mode(self, start_mode: PythonProfileModes, end_mode: PythonProfileModes) -> bool:
        """Whether it goes from the one to the other."""
        return (self.start_mode, self.end_mode) == (start_mode, end_mode)

    def in_step_interval(self, start_step: int, end_step: int, start_phase: StepPhase, end_phase: StepPhase) -> bool:
        """Whether it begins and ends between the two steps, with these phases."""
        phases = (self.start_phase, self.end_phase) == (start_phase, end_phase)
        return phases and start_step <= self.start_step and self.end_step <= end_step and self.start_step >= 0

    def in_time_interval(self, start: float, end: float) -> bool:
        """Whether it lies between two moments, seconds since the epoch."""
        return start <= self.start_time_since_epoch_in_secs and self.end_time_since_epoch_in_secs <= end


class PythonStatsReader:
    """The profiles that one profiler took, below a folder or an `s3://` prefix; oldest first."""

    def __init__(self, path: str, profiler_name: PythonProfilerName = PythonProfilerName.CPROFILE) -> None:
        self.source, self.profiler_name = ProfileSource(path), profiler_name

    def load_python_profile_stats(self) -> list[StepPythonProfileStats]:
        """Look for them anew. A folder whose name is none of smdebug's is left out."""
        root = self.source.refresh().root
        paths = sorted(root.rglob(f"{self.profiler_name.value}/*/*/{FILES[self.profiler_name]}"))
        found = [one for path in paths if (one := self._read(path)) is not None]
        return sorted(found, key=lambda one: one.start_time_since_epoch_in_secs)

    def _read(self, path: Path) -> StepPythonProfileStats | None:
        match = FOLDER.fullmatch(path.parent.name)
        if match is None:
            return None
        try:
            start, end = _end(*match.groups()[:4]), _end(*match.groups()[4:])
        except ValueError:
            return None
        name, framework = self.profiler_name.value, path.parents[3].name
        return StepPythonProfileStats(name, framework, path.parents[1].name, *start, *end, str(path))


def _end(mode: str, step: str, phase: str, at: str) -> tuple[PythonProfileModes, int, StepPhase, float]:
    return str_to_python_profile_mode(mode), -1 if step == "*" else int(step), StepPhase(phase), float(at) / 1e6
