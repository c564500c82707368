"""The rule Dataloader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from tintype.profiler.breakdown import Activity, break_down
from tintype.profiler.limiter import LEAST_SHARE
from tintype.profiler.readers import JobProfile
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import Numbers, histogram, too_few
from tintype.rules.profiler_rule import Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile

FETCHES = ("DataLoaderWorker", "DataLoaderIter")
LEAST_STEPS = 10


@final
@dataclass(frozen=True)
class DataloaderParameters(Parameters):
    """What Dataloader can be told."""

    min_threshold: float = parameter(70, "processes that load, per cent of the cores, at least", low=0)
    max_threshold: float = parameter(200, "processes that load, per cent of the cores, at most", low=0)
    scan_interval_us: int = scan_parameter()


@final
@dataclass
class Dataloader(ProfilerRule[DataloaderParameters]):
    """The training waits for its loader, or the loader has more processes than the machine can run.

    Fires when the loop waits for data for at least 15 % of its time, as much as the limiter asks for, and says by how
    many workers that would change: none when it loads in its own process, and cores are free. Fires also when there
    are more workers than `max_threshold` per cent of the usable cores.

    **Needs** ten steps with their phases.

    **Differs from SageMaker's**, which counts the processes that load in each second and compares them with the cores,
    whether the training waits or not: with num_workers=0 it always fires. `min_threshold` is for the profile
    `sagemaker` alone.
    """

    NAME: ClassVar[str] = "Dataloader"
    PARAMETERS: ClassVar[type[Parameters]] = DataloaderParameters
    ADVICE: ClassVar[str] = "Change the number of loader workers (num_workers); pin memory and prefetch for a GPU."
    PATIENCE: ClassVar[int] = 10        # seconds with loading

    parameters: DataloaderParameters = field(default_factory=DataloaderParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        settings = job.spans().loaders[-1] if job.spans().loaders else {}
        workers, cores = int(settings.get("num_workers", 0)), _cores(job)
        counts, fetching = _processes(job)
        times = break_down(job)
        if times is not None and times.has_phases and not len(fetching):
            fetching = np.nan_to_num(times.train["data_wait"])
        median = float(np.median(counts)) if len(counts) else float(max(1, workers))
        details: dict[str, Any] = {}
        if len(fetching):
            p25, p50, p95 = (float(one) for one in np.percentile(fetching, (25, 50, 95)))
            details = {
                "pin_memory": settings.get("pin_memory", False), "num_workers": workers, "cores": cores,
                "dataloaders": median, "prefetch": settings.get("prefetch_factor"),
                "dataloading_time": {"p25": p25, "p50": p50, "p95": p95, **histogram(fetching)},
            }  # fmt: skip
        if self.profile is Profile.SAGEMAKER:
            fired = self._sagemaker(counts, cores)
            needed = self.PATIENCE + 1
            missing = too_few(len(counts), needed, "seconds of loading") if len(counts) < needed else ""
            return self.judged(
                details=details, datapoints=len(fetching), triggered=fired, violations=fired, missing=missing
            )
        known = len(times.train) if times and times.has_phases else 0
        if times is None or known < LEAST_STEPS:
            missing = too_few(known, LEAST_STEPS, "steps with their phases")
            return self.judged(details=details, datapoints=len(fetching), missing=missing)
        found = self._right(times.share(Activity.DATA_WAIT), workers, cores)
        fired = int(found is not None)
        return self.judged(
            details=details, datapoints=len(fetching), triggered=fired, violations=fired,
            findings=(found,) if found else (),
        )  # fmt: skip

    def _sagemaker(self, counts: Numbers, cores: int) -> int:
        given = self.parameters
        if len(counts) <= self.PATIENCE:
            return 0
        median = np.median(counts)
        return int(median < cores * given.min_threshold / 100 or median > cores * given.max_threshold / 100)

    def _right(self, share: float, workers: int, cores: int) -> Finding | None:
        most = cores * self.parameters.max_threshold / 100
        if cores and workers > most:
            message = f"the loader has {workers} workers, and the job {cores} cores"
            cause = "more processes than cores take turns, and each keeps a batch in memory"
            return self.finding(message, workers, most, cause, Remedy(f"set num_workers to {cores} or less"))
        if share < LEAST_SHARE:
            return None
        message = f"the training waits for data for {share:.0%} of its time; its loader has {_workers(workers)}"
        spare = max(1, cores - 1) if cores else 4
        if workers < spare:
            remedy = Remedy(f"set num_workers to {spare} and persistent_workers=True; then see what limits the rest")
        else:
            words = f"the training and its workers have the {cores} cores to themselves already"
            remedy = Remedy(f"{words}: make each sample cheaper (cached, or smaller, images)")
        return self.finding(message, share, LEAST_SHARE, "samples come more slowly than they are used", remedy)


def _workers(count: int) -> str:
    return f"{count} workers" if count > 1 else "one worker" if count else "none (num_workers=0)"


def _cores(job: JobProfile) -> int:
    for machine in job.machines.values():
        return max(1, int(machine.usable_cores))
    return max((job.cores(node) for node in job.system().nodes), default=0)


def _processes(job: JobProfile) -> tuple[Numbers, Numbers]:
    """(processes that loaded in each second that had any, seconds of each fetch)."""
    found = job.spans()
    kinds = [number for number, name in enumerate(found.names) if name in FETCHES]
    spans = found.spans[np.isin(found.spans["name"], kinds) | np.isin(found.spans["phase"], kinds)]
    if not len(spans):
        return np.zeros(0), np.zeros(0)
    seconds = np.floor(spans["start"]).astype(np.int64)
    pairs = np.unique(np.stack([seconds, spans["process"]]), axis=1)
    return np.unique(pairs[0], return_counts=True)[1], spans["duration"]


