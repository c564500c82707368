"""A job's profile as arrays: `open_profile(directory)`, then `.system()`, `.steps()`, `.spans()`.

The directory is a job's `profiler-output`, ours or one that SageMaker wrote. Each part is read when it is first asked
for, and kept. A day of a job (170,000 samples of 20 numbers, 500,000 steps) is read in seconds, within some 300 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from tintype.errors import NotFound
from tintype.profiler.detail_files import HotSpots, Operators, read_hot_spots, read_operators
from tintype.profiler.machine import Machine, read_machines
from tintype.profiler.phases import MODES
from tintype.profiler.span_files import FRAMEWORK
from tintype.profiler.span_reader import FrameworkSpans, read_framework_spans
from tintype.profiler.system_metrics import CPU_UTILIZATION, END_MARKER, GPU_UTILIZATION, SYSTEM, Series
from tintype.profiler.system_reader import SystemRows, read_system_rows

if TYPE_CHECKING:
    import pandas as pd

LONGEST_START = 86_400.0                # seconds from a job's first moment to the first that was recorded
SNAPSHOT_SECONDS = 0.02                 # rows this close were sampled together (SageMaker's 20 ms)


@final
@dataclass(frozen=True, eq=False)
class Table:
    """One dimension of one node: a row for each sample, a column for each name ("cpu0", "gpu1", ...)."""

    times: NDArray[np.float64]          # (samples,) seconds since the epoch
    names: tuple[str, ...]
    values: NDArray[np.float64]         # (samples, names); NaN where a sample lacks one

    def __bool__(self) -> bool:
        return self.values.size > 0

    def column(self, name: str) -> NDArray[np.float64]:
        """The finite values of one name, (n,)."""
        values = self.values[:, self.names.index(name)]
        return values[np.isfinite(values)]

    def mean(self) -> NDArray[np.float64]:
        """The mean over the names of each sample that has any, (samples,)."""
        counts = np.isfinite(self.values).sum(axis=1)
        return np.nansum(self.values, axis=1)[counts > 0] / counts[counts > 0]


NO_TABLE = Table(np.zeros(0), (), np.zeros((0, 0)))


@final
class SystemMetrics:
    """The system metrics of a profile. `rows` are as `system_reader` has them."""

    def __init__(self, found: SystemRows) -> None:
        self.rows, self.series, self.damaged_lines = found.rows, found.series, found.damaged_lines
        self._tables: dict[tuple[str, str, str], Table] = {}
        self._joint: dict[tuple[str, ...], tuple[Table, ...]] = {}

    def __bool__(self) -> bool:
        return len(self.rows) > 0

    @property
    def nodes(self) -> tuple[str, ...]:
        """"algo-1", ...; in order."""
        return tuple(sorted({one.node for one in self.series}))

    def table(self, dimension: str, node: str, name: str = "") -> Table:
        """The values of `dimension`; those of `name` alone when it is given. Empty when there are none.

        SageMaker tells "MemoryUsedPercent" and the rates of disks by name, without a dimension: `table("", node, it)`.
        """
        key = (dimension, node, name)
        if key not in self._tables:
            self._tables[key] = self._table(*key)
        return self._tables[key]

    def together(self, node: str, *dimensions: str) -> tuple[Table, ...]:
        """Several dimensions, sample by sample: all tables have the same times, NaN where a sample lacks one."""
        if (node, *dimensions) not in self._joint:
            keys = [(one.dimension, one.node) for one in self.series]
            groups = [[n for n, key in enumerate(keys) if key == (one, node)] for one in dimensions]
            self._joint[(node, *dimensions)] = self._tabulate(groups)
        return self._joint[(node, *dimensions)]

    def _table(self, dimension: str, node: str, name: str) -> Table:
        wanted = [
            n for n, one in enumerate(self.series)
            if one.dimension == dimension and one.node == node and name in ("", one.name)
        ]  # fmt: skip
        return self._tabulate([wanted])[0]

    def _tabulate(self, groups: Sequence[Sequence[int]]) -> tuple[Table, ...]:
        """A table for each group of series."""
        ordered = [sorted(group, key=lambda n: _in_order(self.series[n].name)) for group in groups]
        wanted = [n for group in ordered for n in group]
        columns = np.full(len(self.series) or 1, -1)
        columns[wanted] = np.arange(len(wanted))
        chosen = columns[self.rows["series"]]
        rows, column = self.rows[chosen >= 0], chosen[chosen >= 0]
        if not len(rows):
            return (NO_TABLE,) * len(groups)
        firsts = np.concatenate(([True], np.diff(rows["time"]) > SNAPSHOT_SECONDS))
        values = np.full((int(firsts.sum()), len(wanted)), np.nan)
        values[np.cumsum(firsts) - 1, column] = rows["value"]
        bounds = np.cumsum([0, *(len(group) for group in ordered)])
        return tuple(
            Table(rows["time"][firsts], tuple(self.series[n].name for n in group), values[:, low:high])
            for group, low, high in zip(ordered, bounds[:-1], bounds[1:], strict=True)
        )

    def to_frame(self) -> pd.DataFrame:
        """A pandas frame with columns timestamp (UTC), value, type, name, dimension, node."""
        import pandas as pd

        parts = {field: np.array([getattr(one, field) for one in self.series], object) for field in Series._fields}
        place = self.rows["series"]
        times = pd.to_datetime(self.rows["time"], unit="s", utc=True)
        columns = {name: texts[place] if len(texts) else [] for name, texts in parts.items()}
        frame = pd.DataFrame({"timestamp": times, "value": self.rows["value"], **columns})
        return frame.rename(columns={"kind": "type"})


@final
@dataclass(frozen=True, eq=False)
class Steps:
    """The steps of a profile: `rows` are STEP_ROW of `span_reader`, in the order of their start."""

    rows: NDArray[Any]
    nodes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def to_frame(self) -> pd.DataFrame:
        """A pandas frame with a row for each step; start is UTC, durations are seconds."""
        import pandas as pd

        frame = pd.DataFrame({name: self.rows[name] for name in self.rows.dtype.names or ()})
        frame["start"] = pd.to_datetime(frame["start"], unit="s", utc=True)
        frame["mode"] = np.array([mode.value for mode in MODES], object)[self.rows["mode"]]
        frame["node"] = np.array([*self.nodes, ""], object)[self.rows["node"]]
        return frame


@final
class JobProfile:
    """What was recorded of one job; with `since`, seconds since the epoch, not what is in files that ended before."""

    def __init__(self, root: Path, since: float = 0.0) -> None:
        self.root, self._since = root, since

    @cached_property
    def machines(self) -> dict[str, Machine]:
        """Facts of each node that our sampler recorded; none for profiles that SageMaker wrote."""
        return read_machines(self.root)

    @cached_property
    def _system(self) -> SystemMetrics:
        return SystemMetrics(read_system_rows(self.root, self._since))

    @cached_property
    def _framework(self) -> FrameworkSpans:
        return read_framework_spans(self.root, self._since)

    def system(self) -> SystemMetrics:
        """System metrics."""
        return self._system

    def steps(self) -> Steps:
        """Steps, with their phases where these are known."""
        return Steps(self._framework.steps, self._framework.nodes)

    def spans(self) -> FrameworkSpans:
        """All other spans, and what they are called."""
        return self._framework

    @cached_property
    def operators(self) -> tuple[Operators, ...]:
        """Windows of torch.profiler, one a worker at most."""
        return read_operators(self.root)

    @cached_property
    def hot_spots(self) -> tuple[HotSpots, ...]:
        """Windows in which the Python stack was sampled, one a worker at most."""
        return read_hot_spots(self.root)

    def looked_at(self, steps: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of `steps` were recorded by torch.profiler, and took longer for it, (steps,)."""
        found = np.zeros(len(steps), bool)
        for one in self.operators:
            if one.worker in self._framework.nodes:
                mine = (steps["node"] == self._framework.nodes.index(one.worker)) & (steps["mode"] == 0)
                number = steps["number"]
                found |= mine & (number >= one.first_step) & (number < one.first_step + one.steps)
        return found

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return any((self.root / part / END_MARKER).exists() for part in (SYSTEM, FRAMEWORK))

    @property
    def extent(self) -> tuple[float, float] | None:
        """First and last moment of anything that was recorded, in seconds since the epoch."""
        rows, steps, spans = self._system.rows, self._framework.steps, self._framework.spans
        starts = [part[field][0] for part, field in ((rows, "time"), (steps, "start"), (spans, "start")) if len(part)]
        ends = [float((part["start"] + part["duration"]).max()) for part in (steps, spans) if len(part)]
        ends += [float(rows["time"][-1])] if len(rows) else []
        if not starts:
            return None
        # A program runs before anybody looks at it; what it loads then belongs to its start.
        first, begun = float(min(starts)), [one.started_at for one in self.machines.values()]
        return min([first, *(at for at in begun if first - at < LONGEST_START)]), float(max(ends))

    def cores(self, node: str) -> int:
        """Cores of a node's machine; 0 when nothing tells."""
        if node in self.machines:
            return self.machines[node].cores
        return len(self._system.table(CPU_UTILIZATION, node).names)

    def usable_cores(self, node: str) -> float:
        """Cores of a node that the job may use: in a container with a quota fewer than it has, maybe a fraction."""
        return self.machines[node].usable_cores if node in self.machines else float(self.cores(node))

    def has_part_of(self, node: str) -> bool:
        """Whether the job may use fewer cores than a node has."""
        return 0 < self.usable_cores(node) < self.cores(node)

    def gpus(self, node: str) -> int:
        """GPUs of a node of which there are readings."""
        return len(self._system.table(GPU_UTILIZATION, node).names)


def open_profile(directory: str | Path) -> JobProfile:
    """The profile in a job's `profiler-output`. Raises `NotFound` when there is no such folder."""
    root = Path(directory)
    if not root.is_dir():
        raise NotFound(f"there is no profile at {root}; a job writes one when it is profiled")
    return JobProfile(root)


def _in_order(name: str) -> tuple[str, int]:
    """cpu2 before cpu10."""
    digits = name[len(name.rstrip("0123456789")) :]
    return name.rstrip("0123456789"), int(digits or -1)

