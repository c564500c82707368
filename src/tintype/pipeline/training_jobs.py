"""Training jobs of the built-in trainer: their plans, their processes, and one of them from start to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

from tintype.datasets.source import path_of
from tintype.errors import BadArchive, InvalidRequest, JobFailed, NotFound, TintypeError
from tintype.jobs.directory import JobDirectory
from tintype.jobs.instances import Machine
from tintype.jobs.job import Job, JobSpec, MetricDefinition, Resources, Source
from tintype.models.at_hand import are_at_hand, places_looked_in
from tintype.models.names import OWN, is_plainly_known
from tintype.pipeline.recipe import PRETRAINED_NETWORK, Finder
from tintype.settings import Settings
from tintype.storage import write_bytes, write_json
from tintype.training.hyperparameters import Value, by_first_names, plan_from
from tintype.training.narration import metric_definitions
from tintype.training.plan import DataPlan, TrainingPlan, parse_plan
from tintype.workspace import Workspace

PLAN_FILE = "plan.json"         # of a job's input/config
WEIGHTS, SEED = "weights", "seed"
NO_FILES = ("none", "auto", "")     # what weights may be beside a file
RETRIES = 1                     # the trainer goes on from its checkpoint, bit for bit
ERRORS: dict[str, type[TintypeError]] = {one.__name__: one for one in (NotFound, InvalidRequest, BadArchive)}


@final
@dataclass(frozen=True)
class TrainingRequest:
    """One training job of the built-in trainer, as a person asks for it."""

    name: str
    data: str
    hyperparameters: Mapping[str, Value]
    strict: bool = False
    seed: int = 0


def pack(job: Job) -> None:
    """Write the archive of a trial, which kept only what its model needs. `JobFailed` says why it cannot be,
    `InvalidRequest` that what it kept is gone.

    The trial's plan is taken up again where it ended: after its last epoch, but with an archive to be written.
    """
    directory = JobDirectory(Path(job.directory))
    if not (kept := _best(directory.root)).is_file():       # or the trainer would train all of it again, unasked
        what = f"neither {directory.archive} nor {kept} is there"
        raise InvalidRequest(f"the model of job {job.name!r} is gone: {what}; train it again under another name")
    path = directory.config / "pack.json"
    write_json(path, {**plan_of(job), "save": "archive"})
    command = [sys.executable, "-m", "tintype.training", str(path), "--resume", "--events", str(directory.events)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        last = lines[-1] if lines else f"exit code {done.returncode}"
        raise JobFailed(f"the model of {job.name} could not be packed: {last}", tuple(lines[-20:]))


def has_plan(job: Job) -> bool:
    """The job is one of the built-in trainer."""
    return job.spec is not None and PLAN_FILE in job.spec.configuration


def plan_of(job: Job) -> dict[str, Any]:
    """The plan of a job of the built-in trainer. `InvalidRequest` when it is somebody's own script."""
    plan = job.spec.configuration.get(PLAN_FILE) if job.spec is not None else None
    if plan is None:
        raise InvalidRequest(f"job {job.name!r} ran a script of your own; only the built-in trainer has a plan")
    return plan


def weights_finder(settings: Settings, environment: Mapping[str, str]) -> Finder:
    """Tells whether pretrained weights of a network can be had: from file names, or else by a process with torch."""

    def find(network: str) -> bool:
        if are_at_hand(network, settings.weights, environment):
            return True
        if network == OWN:
            return False                    # nobody publishes weights of it
        if network == PRETRAINED_NETWORK and settings.offline:
            tried = ", ".join(map(str, places_looked_in(network, settings.weights, environment)))
            raise NotFound(
                f"there are no weights for {network} on this machine, and Tintype is offline. Put a file at one of the "
                f"paths below, or pass --weights FILE, or --weights none to start from random. Tried: {tried}"
            )
        asked = {"errand": "find-weights", "network": network, "settings": settings.model_dump(mode="json")}
        return bool(_ask(asked, "looking for weights of")["pretrained"])

    return find


@cache
def refuse_unknown_network(name: str) -> None:
    """`NotFound`, with the names that are near, when there is no such network: told from timm's source where the name
    stands there, or else by a process with torch.
    """
    if not is_plainly_known(name):
        _ask({"errand": "know-network", "network": name}, "looking for the network")


def _ask(request: dict[str, Any], what: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tintype.training.errands"]
    done = subprocess.run(command, input=json.dumps(request), stdout=subprocess.PIPE, text=True, check=False)
    try:
        document = json.loads(done.stdout)
    except ValueError as error:
        raise JobFailed(f"{what} {request['network']} ended with exit code {done.returncode}") from error
    if "error" in document:
        raise ERRORS.get(document["error"], JobFailed)(document["reason"])
    return document["answer"]


def base_plan(workspace: Workspace, request: TrainingRequest) -> TrainingPlan:
    """The plan of a request. Raises `InvalidRequest` or `NotFound` naming the hyperparameter or the network that is
    wrong, or a path where no data are.
    """
    path_of(request.data)
    plan = TrainingPlan(
        name=request.name,
        directory=workspace.job_directory(request.name),
        data=DataPlan(location=absolute(request.data), strict=request.strict),
        settings=workspace.settings,
    )
    plan = plan_from({SEED: request.seed, **by_first_names(request.hyperparameters)}, plan)
    refuse_unknown_network(plan.network.name)
    return plan


def take_over(plan: TrainingPlan, trial: Job) -> bool:
    """Let a plan begin where a trial of the very same settings and seed ended, instead of repeating it bit by bit.

    False, and nothing is done, when the two differ in anything that shows in the result.
    """
    best = _best(Path(trial.directory))
    own = {"name", "directory", "save"}
    if not best.is_file() or parse_plan(plan_of(trial)).model_dump(exclude=own) != plan.model_dump(exclude=own):
        return False
    write_bytes(_best(plan.directory), best.read_bytes())
    return True


def _best(directory: Path) -> Path:
    """The weights of the best epoch, of a job in this directory."""
    return directory / "checkpoints" / "best.pt"


def spec_of(plan: TrainingPlan, hyperparameters: Mapping[str, Value], *, retries: int = RETRIES) -> JobSpec:
    """What the engine is told of a plan: the built-in trainer is a program like any other, with metrics in its log."""
    directory = JobDirectory(plan.directory)
    words = (str(directory.plan), "--events", str(directory.events), "--resume")
    return JobSpec(
        source=Source("module", "tintype.training", arguments=words),
        hyperparameters={name: wire(value) for name, value in hyperparameters.items()},
        resources=resources_of(plan),
        metric_definitions=tuple(MetricDefinition(*one) for one in metric_definitions().items()),
        retries=retries,
        configuration={PLAN_FILE: plan.model_dump(mode="json")},
    )


def resources_of(plan: TrainingPlan) -> Resources:
    """What the built-in trainer takes: its threads (0: all cores), and the one GPU that it computes on, if any."""
    gpus = 0 if plan.compute.device == "cpu" else min(1, Machine.here().gpus)
    return Resources(cores=plan.compute.threads, gpus=gpus)


def wire(value: Value) -> str:
    """A hyperparameter as a job has it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def parse_assignments(option: str, assignments: list[str], example: str = "lr=0.01") -> dict[str, Value]:
    """`["lr=0.1", "model=resnet18"]` as a dictionary; the values stay text, as their plan gives them their type."""
    found: dict[str, Value] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator or not name.strip():
            raise InvalidRequest(f"{option} takes NAME=VALUE, e.g. {option} {example}; got {assignment!r}")
        if name.strip() in found:
            raise InvalidRequest(f"{option} {name.strip()} is given twice; give it once")
        found[name.strip()] = value.strip()
    return found


def settled(hyperparameters: Mapping[str, Value]) -> dict[str, Value]:
    """The same by their first names, a file of weights by a path that means the same in every process.

    Raises `NotFound` when that file is not there, `InvalidRequest` for names that are unknown or given twice.
    """
    found = by_first_names(hyperparameters)
    if (weights := str(found.get(WEIGHTS, ""))) not in NO_FILES:
        found[WEIGHTS] = _weights_file(weights)
    return found


def _weights_file(named: str) -> str:
    path = Path(absolute(named))
    if not path.is_file():
        raise NotFound(f"there is no weights file {path}; give a .safetensors or .pth file, or none for random weights")
    return str(path)


def absolute(location: str) -> str:
    """A location that means the same in every process: a URL as it is, a path made absolute; "" stays nothing."""
    return location if "://" in location or not location else str(Path(os.path.expanduser(location)).absolute())
