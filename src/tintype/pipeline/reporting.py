"""The evidence of a run, handed to the report."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import psutil

from tintype.datasets.dataset import Dataset
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job
from tintype.models.archive import DESCRIPTION, Description
from tintype.pipeline.training_jobs import plan_of
from tintype.reports.evidence import (
    Album,
    Endpoint,
    HyperparameterRange,
    Model,
    Profile,
    RunEvidence,
    TrialEvidence,
    TrialState,
    TuningEvidence,
)
from tintype.reports.gathering import gather
from tintype.reports.page import write_report
from tintype.serving.runtimes.precision import on_this_machine
from tintype.tuning.importance import importance
from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Categorical, Range
from tintype.tuning.scaling import Scaling, resolved
from tintype.tuning.state import TuningState
from tintype.tuning.trial import Trial, TrialStatus

TRIAL_STATES = {
    TrialStatus.COMPLETED: TrialState.COMPLETED,
    TrialStatus.STOPPED: TrialState.STOPPED,
    TrialStatus.FAILED: TrialState.FAILED,
    TrialStatus.IN_PROGRESS: TrialState.RUNNING,
    TrialStatus.STOPPING: TrialState.RUNNING,
}
LIBRARIES = ("tintype", "torch", "torchvision", "timm", "numpy", "pillow", "onnxruntime")


@final
@dataclass(frozen=True, eq=False)
class Story:
    """What a run knows when its report is written."""

    name: str
    made_at: float
    seconds: float
    location: str
    command: str
    dataset: Dataset
    job: Job                                        # of the final training
    check: Mapping[str, Any] | None = None
    tuning: TuningState | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    endpoint: tuple[str, str] | None = None         # (name, url)
    profile: tuple[str, str] | None = None          # what the profiler says, and its page as seen from the report


def write(story: Story, path: Path, *, max_pixels: int) -> Path:
    """Write the page to `path`."""
    return write_report(gather(evidence_of(story, max_pixels)), path)


def evidence_of(story: Story, max_pixels: int) -> RunEvidence:
    """The story in the report's own words."""
    dataset, plan = story.dataset, plan_of(story.job)
    used = story.job.result.get("hyperparameters", {})
    size = used.get("image-size") or plan["network"]["image_size"]
    return RunEvidence(
        name=story.name,
        made_at=story.made_at,
        seconds=story.seconds,
        location=story.location,
        command=story.command,
        seed=plan["seed"],
        model=Model(
            network=plan["network"]["name"],
            freeze=str(plan["network"]["freeze"]),
            weights=str(used.get("weights") or plan["network"]["weights"] or ""),
            image_size=int(size) if size else None,
        ),
        album=Album(
            dataset.root,
            dataset.paths,
            dataset.labels,
            dataset.splits,
            dataset.classes,
            dataset.layout,
            dataset.notes,
        ),
        training_directory=Path(story.job.directory),
        result=story.job.result,
        check=story.check,
        tuning=None if story.tuning is None else tuning_evidence(story.tuning),
        phases=story.phases,
        endpoint=None if story.endpoint is None else Endpoint(*story.endpoint),
        profile=None if story.profile is None else Profile(*story.profile),
        environment=environment() | numbers(JobDirectory(Path(story.job.directory)).model),
        max_pixels=max_pixels,
    )


def tuning_evidence(state: TuningState) -> TuningEvidence:
    """A tuning job in the report's own words."""
    found = importance(state)
    return TuningEvidence(
        objective=state.settings.objective,
        maximise=state.settings.direction is Direction.MAXIMIZE,
        strategy=state.settings.strategy.value,
        ranges=tuple(_range(one) for one in state.settings.space.ranges),
        trials=tuple(_trial(one) for one in state.trials),
        importance=found.shares,
        importance_note=found.reason,
    )


def environment() -> dict[str, str]:
    """What the run ran on; nothing that names the person or the machine."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    found["cores"] = str(psutil.cpu_count() or 1)
    found["memory"] = f"{psutil.virtual_memory().total / 1024**3:.0f} GiB"
    return found | {library: version(library) for library in LIBRARIES if _installed(library)}


def numbers(model: Path) -> dict[str, str]:
    """In which numbers the model in this folder is served here, and what that costs; nothing when there is none."""
    path = model / DESCRIPTION
    return {"served in": str(on_this_machine(Description.from_json(path.read_bytes())))} if path.is_file() else {}


def _installed(library: str) -> bool:
    try:
        return bool(version(library))
    except ModuleNotFoundError:
        return False


def _range(one: Range) -> HyperparameterRange:
    if isinstance(one, Categorical):
        return HyperparameterRange(one.name, values=tuple(one.values))
    whole = isinstance(one.low, int)
    scaling = resolved(one.scaling, one.low, one.high)
    logarithmic = scaling is Scaling.LOGARITHMIC
    return HyperparameterRange(one.name, float(one.low), float(one.high), logarithmic=logarithmic, whole=whole)


def _trial(trial: Trial) -> TrialEvidence:
    return TrialEvidence(
        number=trial.number,
        name=trial.name,
        hyperparameters=dict(trial.hyperparameters),
        state=TRIAL_STATES[trial.status],
        value=trial.value,
        started_at=trial.started_at or None,
        ended_at=trial.ended_at,
        history=tuple(value for _, value in trial.history),
        reason=trial.reason,
    )
