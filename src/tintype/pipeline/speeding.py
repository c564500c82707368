"""From what limits a job to a faster one: a change of hyperparameters, trained again, and both measured.

For jobs of the built-in trainer. A change may cost accuracy, which the comparison shows beside the times of the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from tintype.errors import InvalidRequest
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job
from tintype.jobs.store import JobStore
from tintype.pipeline.training_jobs import plan_of
from tintype.profiler.breakdown import break_down
from tintype.profiler.limiter import Candidate, Limiter, diagnose
from tintype.profiler.readers import JobProfile
from tintype.training.hyperparameters import values_of
from tintype.training.plan import parse_plan

LARGER_BATCH, LARGER_RATE = 4, 2.0      # the rate by the square root of the batch
SMALLER_IMAGE, IMAGE_GRID = 0.75, 32    # of the side; networks like multiples of 32 pixels
RARER = 4                               # times: evaluations and checkpoints
LEAST_BETWEEN_CHECKPOINTS = 60.0        # seconds
LIGHTER = {"randaugment": "crop-flip", "crop-flip": "flip", "flip": "none"}

Values = Mapping[str, Any]


@final
@dataclass(frozen=True)
class SpeedFix:
    """What is changed, and what it is to take away."""

    changes: Mapping[str, str]          # hyperparameter -> its new value, as a wire string
    limiter: Candidate


def speed_fix(job: Job) -> SpeedFix:
    """The change that takes away most of what limits the job.

    Raises `InvalidRequest` when the job was not profiled, or no hyperparameter would help; it then says what would.
    """
    plan = parse_plan(plan_of(job))
    found = diagnose(_profile(job))
    if found is None:
        raise InvalidRequest(f"the steps of {job.name!r} were not measured; train it with the profiler on")
    chosen: dict[str, Any] = job.result.get("hyperparameters", {})          # what "auto" came to
    used: dict[str, Any] = {**values_of(plan), **{name: value for name, value in chosen.items() if value is not None}}
    limiter = found.limiter
    changes = CHANGES.get(limiter.limiter, lambda _: {})(used)
    if not changes:
        raise InvalidRequest(
            f"{job.name!r} is limited by {limiter.limiter} ({limiter.evidence}), and no hyperparameter of the built-in "
            f"trainer changes that; {limiter.change}"
        )
    return SpeedFix(changes, limiter)


def speed_comparison(store: JobStore, before: Job, after: Job) -> list[dict[str, Any]]:
    """One row for each measure of speed, and one for each metric: what it was before, and what it is after."""
    old, new = _speed(before), _speed(after)
    rows = [{"what": name, "before": old.get(name), "after": new.get(name)} for name in SPEED]
    metrics = [{one.name: one.value for one in store.measurements(job.name)} for job in (before, after)]
    names = dict.fromkeys([*metrics[0], *metrics[1]])
    return rows + [{"what": name, "before": metrics[0].get(name), "after": metrics[1].get(name)} for name in names]


SPEED = ("step, ms", "images a second", "training loop, s", "limited by")


def _speed(job: Job) -> dict[str, Any]:
    profile = _profile(job)
    times, found = break_down(profile), diagnose(profile)
    if times is None or not len(times.train):
        return {}
    step = float(np.median(times.train["duration"]))
    batch = int(job.result.get("hyperparameters", {}).get("batch-size") or parse_plan(plan_of(job)).batch_size or 1)
    return {
        "step, ms": 1000 * step,
        "images a second": batch / step if step > 0 else None,
        "training loop, s": times.loop,
        "limited by": found.limiter.limiter.value if found else None,
    }


def _profile(job: Job) -> JobProfile:
    return JobProfile(JobDirectory(Path(job.directory)).profiler_output)


def _more_in_a_step(used: Values) -> dict[str, str]:
    batch, rate = used.get("batch-size"), used.get("lr")
    if not batch:
        return {}
    changes = {"batch-size": str(int(batch) * LARGER_BATCH)}
    return changes | ({"lr": f"{float(rate) * LARGER_RATE:.6g}"} if rate else {})


def _less_to_compute(used: Values) -> dict[str, str]:
    if used.get("precision") == "fp32":
        return {"precision": "auto"}
    size = used.get("image-size")
    smaller = int(int(str(size)) * SMALLER_IMAGE) // IMAGE_GRID * IMAGE_GRID if str(size or "").isdecimal() else 0
    return {"image-size": str(smaller)} if smaller >= IMAGE_GRID else {}


def _less_to_prepare(used: Values) -> dict[str, str]:
    lighter = LIGHTER.get(str(used.get("augmentation")))
    return {"augmentation": lighter} if lighter else {}


def _evaluated_less_often(used: Values) -> dict[str, str]:
    epochs, every = int(used.get("epochs") or 1), int(used.get("evaluate-every") or 1)
    rarer = min(epochs, every * RARER)
    return {"evaluate-every": str(rarer)} if rarer > every else {}


def _saved_less_often(used: Values) -> dict[str, str]:
    seconds = float(used.get("checkpoint-seconds") or 0)
    return {"checkpoint-seconds": f"{max(LEAST_BETWEEN_CHECKPOINTS, seconds * RARER):g}"}


CHANGES: Mapping[Limiter, Callable[[Values], dict[str, str]]] = {
    Limiter.LAUNCH: _more_in_a_step,
    Limiter.COMPUTE: _less_to_compute,
    Limiter.PREPARATION: _less_to_prepare,
    Limiter.EVALUATION: _evaluated_less_often,
    Limiter.CHECKPOINTING: _saved_less_often,
    Limiter.LOADER_LATENCY: _less_to_prepare,       # the trainer's loader is a thread of its own: it works, or waits
}
