"""Profiles of Python by step, by time and by what the training did, as smdebug's notebooks ask for them."""

from __future__ import annotations

import json
import pstats
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from smdebug.profiler.analysis.python_stats_reader import PythonStatsReader, StepPythonProfileStats
from smdebug.profiler.python_profile_utils import PythonProfileModes, PythonProfilerName, StepPhase

Modes = PythonProfileModes


class PythonProfileAnalysis:
    """Of a job's `profiler-output`, or of a copy of it. Without a profile of the kind asked for there is none."""

    NAME = PythonProfilerName.CPROFILE

    def __init__(self, local_profile_dir: str = "/tmp/python_stats", s3_path: str | None = None) -> None:
        self.python_stats_reader = PythonStatsReader(s3_path or local_profile_dir, self.NAME)
        self.python_profile_stats = self.python_stats_reader.load_python_profile_stats()

    def list_profile_stats(self, refresh_stats: bool = True) -> pd.DataFrame:
        """A row for each profile, and what it covers."""
        self._refresh(refresh_stats)
        return pd.DataFrame([vars(one) for one in self.python_profile_stats])

    def fetch_profile_stats_by_step(
        self, start_step: int, end_step: int | None = None, mode: PythonProfileModes = Modes.TRAIN,
        start_phase: StepPhase = StepPhase.STEP_START, end_phase: StepPhase = StepPhase.STEP_END,
        node_id: str = "any", refresh_stats: bool = True,
    ) -> Any:  # fmt: skip
        """Of steps from the one to the other; of one alone without an end."""
        end = start_step if end_step is None else end_step
        return self._fetch(node_id, refresh_stats, lambda one: (
            one.in_step_interval(start_step, end, start_phase, end_phase) and one.has_start_and_end_mode(mode, mode)
        ))

    def fetch_profile_stats_by_time(
        self, start_time_since_epoch_in_secs: float, end_time_since_epoch_in_secs: float, node_id: str = "any",
        refresh_stats: bool = True,
    ) -> Any:  # fmt: skip
        """Between two moments."""
        start, end = start_time_since_epoch_in_secs, end_time_since_epoch_in_secs
        return self._fetch(node_id, refresh_stats, lambda one: one.in_time_interval(start, end))

    def fetch_profile_stats_between_modes(
        self, start_mode: PythonProfileModes, end_mode: PythonProfileModes, node_id: str = "any",
        refresh_stats: bool = True,
    ) -> Any:  # fmt: skip
        """From one mode to another."""
        return self._fetch(node_id, refresh_stats, lambda one: one.has_start_and_end_mode(start_mode, end_mode))

    def fetch_pre_step_zero_profile_stats(self, node_id: str = "any", refresh_stats: bool = True) -> Any:
        """Before the first step."""
        return self._fetch(node_id, refresh_stats, lambda one: one.start_mode is Modes.PRE_STEP_ZERO)

    def fetch_post_hook_close_profile_stats(self, node_id: str = "any", refresh_stats: bool = True) -> Any:
        """After the last."""
        return self._fetch(node_id, refresh_stats, lambda one: one.start_mode is Modes.POST_HOOK_CLOSE)

    def fetch_profile_stats_by_training_phase(self, node_id: str = "any", refresh_stats: bool = True) -> dict[Any, Any]:
        """(start mode, end mode) -> what happened there, of training and evaluation."""
        self._refresh(refresh_stats)
        inside = (Modes.TRAIN, Modes.EVAL)
        pairs = {(one.start_mode, one.end_mode) for one in self.python_profile_stats}
        return {
            pair: self.fetch_profile_stats_between_modes(*pair, node_id, refresh_stats=False)
            for pair in sorted(pairs) if set(pair) <= set(inside)
        }  # fmt: skip

    def fetch_profile_stats_by_job_phase(self, node_id: str = "any", refresh_stats: bool = True) -> dict[str, Any]:
        """Initialization, training loop and finalization."""
        self._refresh(refresh_stats)
        outside = (Modes.PRE_STEP_ZERO, Modes.POST_HOOK_CLOSE)
        return {
            "initialization": self.fetch_pre_step_zero_profile_stats(node_id, refresh_stats=False),
            "training_loop": self._fetch(node_id, False, lambda one: one.start_mode not in outside),
            "finalization": self.fetch_post_hook_close_profile_stats(node_id, refresh_stats=False),
        }

    def _fetch(self, node_id: str, refresh: bool, wanted: Callable[[StepPythonProfileStats], bool]) -> Any:
        self._refresh(refresh)
        nodes = [one.node_id for one in self.python_profile_stats]
        node = nodes[0] if node_id == "any" and nodes else node_id
        return self._aggregate([one for one in self.python_profile_stats if one.node_id == node and wanted(one)])

    def _refresh(self, wanted: bool) -> None:
        if wanted:
            self.python_profile_stats = self.python_stats_reader.load_python_profile_stats()

    def _aggregate(self, requested: Sequence[StepPythonProfileStats]) -> Any:
        return list(requested)


class cProfileStats:
    """Several profiles of cProfile as one."""

    def __init__(self, stats: pstats.Stats) -> None:
        self.ps = stats

    def print_top_n_functions(self, by: str = "tottime", n: int = 10) -> None:
        """Print the `n` functions that took most, by `tottime`, `cumtime` or `ncalls`."""
        self.ps.sort_stats(by).print_stats(n)


class cProfileAnalysis(PythonProfileAnalysis):
    """Profiles of cProfile: what is asked for is a `cProfileStats`, or None."""

    def _aggregate(self, requested: Sequence[StepPythonProfileStats]) -> cProfileStats | None:
        return cProfileStats(pstats.Stats(*(one.stats_path for one in requested))) if requested else None


class PyinstrumentAnalysis(PythonProfileAnalysis):
    """Profiles of pyinstrument: what is asked for is a list of its JSON documents."""

    NAME = PythonProfilerName.PYINSTRUMENT

    def _aggregate(self, requested: Sequence[StepPythonProfileStats]) -> list[Any]:
        return [json.loads(Path(one.stats_path).read_bytes()) for one in requested]
