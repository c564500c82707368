"""Training jobs of the built-in trainer: their plans, their processes, and one of them from start to end."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tintype.errors import BadArchive, InvalidRequest, JobFailed, NotFound, TintypeError
from tintype.jobs.directory import JobDirectory
from tintype.jobs.execution import Execution
from tintype.jobs.job import Job, JobSpec, MetricDefinition, Resources, Source, Status
from tintype.jobs.workers import WorkerPool
from tintype.pipeline.recipe import Finder
from tintype.pipeline.watching import Watcher, pass_on
from tintype.settings import Settings
from tintype.storage import write_bytes
from tintype.training.hyperparameters import Value, plan_from
from tintype.training.narration import metric_definitions
from tintype.training.plan import DataPlan, TrainingPlan, parse_plan
from tintype.workspace import Workspace

RETRIES = 1                     # the trainer goes on from its checkpoint, bit for bit
FINDING = "find-weights"
ERRORS: dict[str, type[TintypeError]] = {one.__name__: one for one in (NotFound, InvalidRequest, BadArchive)}
WORKER = (sys.executable, "-m", "tintype.training", "--worker")


@final
@dataclass(frozen=True)
class TrainingRequest:
    """One training job of the built-in trainer, as a person asks for it."""

    name: str
    data: str
    hyperparameters: Mapping[str, Value]
    strict: bool = False
    seed: int = 0


def training_pool(size: int = 1) -> WorkerPool:
    """Processes that have torch loaded and run one training job after another."""
    return WorkerPool(WORKER, size)


def pack(pool: WorkerPool, job: Job) -> None:
    """Write the archive of a trial, which kept only what its model needs. `JobFailed` says why it cannot be.

    The trial's plan is taken up again where it ended: after its last epoch, but with an archive to be written.
    """
    _ask(pool, job.name, {**job.plan, "save": "archive"})


def weights_finder(pool: WorkerPool, settings: Settings) -> Finder:
    """Asks a worker, which has torch loaded anyway, whether pretrained weights of a network can be had."""

    def find(network: str) -> bool:
        request = {"errand": FINDING, "network": network, "settings": settings.model_dump(mode="json")}
        return bool(_ask(pool, FINDING, request)["pretrained"])

    return find


def _ask(pool: WorkerPool, task: str, request: dict[str, Any]) -> dict[str, Any]:
    """Have a worker do something that is no job. Returns its answer; an error of ours comes back as the same error."""
    answer: dict[str, Any] = {}
    pool.start(task, request)
    while True:
        for name, event in pool.events(1.0):
            if name == task and event["event"] == "answer":
                answer = event["answer"]
            elif name == task and event["event"] == "end":
                if event["status"] == Status.COMPLETED:
                    return answer
                raise ERRORS.get(event.get("error", ""), JobFailed)(event["reason"])


def base_plan(workspace: Workspace, request: TrainingRequest) -> TrainingPlan:
    """The plan of a request. Raises `InvalidRequest` or `NotFound` naming the hyperparameter that is wrong."""
    plan = TrainingPlan(
        name=request.name,
        directory=workspace.job_directory(request.name),
        data=DataPlan(location=absolute(request.data), strict=request.strict),
        settings=workspace.settings,
        seed=request.seed,
    )
    return plan_from(request.hyperparameters, plan)


def take_over(plan: TrainingPlan, trial: Job) -> bool:
    """Let a plan begin where a trial of the very same settings and seed ended, instead of repeating it bit by bit.

    False, and nothing is done, when the two differ in anything that shows in the result.
    """
    best = Path(trial.directory) / "checkpoints" / "best.pt"
    own = {"name", "directory", "save"}
    if not best.is_file() or parse_plan(trial.plan).model_dump(exclude=own) != plan.model_dump(exclude=own):
        return False
    write_bytes(plan.directory / "checkpoints" / "best.pt", best.read_bytes())
    return True


def spec_of(plan: TrainingPlan, hyperparameters: Mapping[str, Value], *, retries: int = RETRIES) -> JobSpec:
    """What the engine is told of a plan: the built-in trainer is a program like any other, with metrics in its log."""
    directory = JobDirectory(plan.directory)
    words = (str(directory.plan), "--events", str(directory.events), "--resume")
    return JobSpec(
        source=Source("module", "tintype.training", arguments=words),
        hyperparameters={name: wire(value) for name, value in hyperparameters.items()},
        resources=Resources(cores=plan.compute.threads),
        metric_definitions=tuple(MetricDefinition(*one) for one in metric_definitions().items()),
        retries=retries,
        configuration={directory.plan.name: plan.model_dump(mode="json")},
    )


def wire(value: Value) -> str:
    """A hyperparameter as a job has it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def job_of(plan: TrainingPlan, hyperparameters: Mapping[str, Value], parent: str = "") -> Job:
    """The job that carries out a plan."""
    return Job(
        name=plan.name,
        directory=str(plan.directory),
        plan=plan.model_dump(mode="json"),
        hyperparameters=dict(hyperparameters),
        parent=parent,
    )


def run_job(workspace: Workspace, execution: Execution, job: Job, watcher: Watcher) -> Job:
    """Run one job to its end while the watcher is told. `JobFailed` carries the reason and the last log lines."""
    try:
        for event in execution.run(job):
            pass_on(watcher, job.name, event)
    except KeyboardInterrupt:
        execution.abandon("interrupted at the keyboard")
        raise
    ended = workspace.jobs.get(job.name)
    if ended.status is Status.FAILED:
        raise failure_of(ended)
    return ended


def failure_of(job: Job) -> JobFailed:
    """The error that a failed job is."""
    tail = JobDirectory(Path(job.directory)).log_tail()
    return JobFailed(f"training job {job.name} failed: {job.failure_reason} (more: tintype jobs logs {job.name})", tail)


def parse_assignments(option: str, assignments: list[str]) -> dict[str, Value]:
    """`["lr=0.1", "model=resnet18"]` as a dictionary; the values stay text, as their plan gives them their type."""
    found: dict[str, Value] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator or not name.strip():
            raise InvalidRequest(f"{option} takes NAME=VALUE, e.g. {option} lr=0.01; got {assignment!r}")
        if name.strip() in found:
            raise InvalidRequest(f"{option} {name.strip()} is given twice; give it once")
        found[name.strip()] = value.strip()
    return found


def absolute(location: str) -> str:
    """A location that means the same in every process: a URL as it is, a path made absolute."""
    return location if "://" in location else str(Path(location).expanduser().absolute())
