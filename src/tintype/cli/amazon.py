"""`--on sagemaker`: a training or a search on Amazon SageMaker itself, watched and brought home."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tintype.cli.display import Display
from tintype.cli.invocation import Invocation
from tintype.errors import InvalidRequest
from tintype.jobs.job import Job, JobSpec, MetricDefinition, Resources, Source
from tintype.pipeline.recipe import Recipe, recipe_asked
from tintype.pipeline.searching import Search, search_settings
from tintype.pipeline.training_jobs import wire
from tintype.training.hyperparameters import Value
from tintype.training.narration import METRICS
from tintype.tuning.objective import Counted
from tintype.tuning.settings import TuningSettings
from tintype.workspace import Workspace

if TYPE_CHECKING:
    from tintype.pipeline.amazon.remote import Remote

PANEL = "On Amazon SageMaker"


class Place(StrEnum):
    """Where a job runs."""

    HERE = "here"
    SAGEMAKER = "sagemaker"


OnOption = Annotated[
    Place, typer.Option("--on", help="This machine, or Amazon SageMaker with boto3.", rich_help_panel=PANEL)
]
RoleOption = Annotated[
    str, typer.Option("--role", metavar="ARN", help="The role that it runs as there.", rich_help_panel=PANEL)
]
BucketOption = Annotated[
    str, typer.Option("--bucket", metavar="NAME", help="For source, data and outputs there.", rich_help_panel=PANEL)
]


def connected(role: str, bucket: str) -> Remote:
    """The account of the environment. `InvalidRequest` without a role."""
    from tintype.pipeline.amazon.account import connect  # boto3 takes its time

    if not role:
        raise InvalidRequest("--on sagemaker needs --role ARN, a role that SageMaker may assume")
    return connect(role, bucket)


def refuse_account(on: Place, role: str, bucket: str) -> None:
    """`InvalidRequest` for a role or a bucket where nothing of them is used."""
    if on is Place.HERE and (role or bucket):
        raise InvalidRequest("--role and --bucket are for --on sagemaker; add that, or leave them out")


def trainer_spec(fixed: Mapping[str, Value], resources: Resources, max_runtime: float) -> JobSpec:
    """The built-in trainer as a job there; its metrics are read by regexes of one group, as SageMaker wants them."""
    return JobSpec(
        source=Source("module", "tintype.training.container"),
        hyperparameters={name: wire(value) for name, value in fixed.items()},
        resources=resources,
        metric_definitions=tuple(MetricDefinition(name, rf"{name}=([0-9.eE+-]+)") for name in METRICS),
        max_runtime_seconds=max_runtime,
    )


def recipe_there(asked: Mapping[str, Value], model: str, freeze: bool | None) -> Recipe:
    """The recipe; there the weights can be had."""
    return recipe_asked(asked, model, freeze, lambda _: True)


def train_there(
    workspace: Workspace, remote: Remote, name: str, spec: JobSpec, display: Display, *, data: str, wait: bool
) -> Job | None:
    """One training job there."""
    from tintype.pipeline.amazon.jobs import train

    return train(workspace, remote, name, spec, display, data=data, wait=wait)


def tune_there(
    call: Invocation, workspace: Workspace, remote: Remote, settings: TuningSettings, spec: JobSpec, display: Display,
    *, data: str, wait: bool,
) -> None:
    """One tuning job there, its best job brought home, and what is said of it."""
    from tintype.pipeline.amazon.jobs import tune

    done = tune(workspace, remote, settings, spec, display, data=data, wait=wait)
    if done is None:
        call.say(f"{settings.name} runs on SageMaker; `aws sagemaker describe-hyper-parameter-tuning-job` shows it")
        call.answer({"name": settings.name, "status": "InProgress"})
        return
    found, job = done
    best = found["BestTrainingJob"]
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    call.say(f"best: {job.name}  {settings.objective} {value:.4f}  {escape(str(best['TunedHyperParameters']))}")
    call.say(f"[dim]tintype deploy {job.name} serves it[/]")
    call.answer(_answer(found, job, value))


def trainer_settings(workspace: Workspace, search: Search, fixed: Mapping[str, Value]) -> TuningSettings:
    """A search over the built-in trainer there: the last value of a metric counts, as SageMaker has no other."""
    return search_settings(workspace.records, search, fixed, Counted.LAST)


def _answer(found: Mapping[str, Any], job: Job, value: float) -> dict[str, Any]:
    tuned = dict(found["BestTrainingJob"]["TunedHyperParameters"])
    return {
        "name": found["HyperParameterTuningJobName"],
        "status": found["HyperParameterTuningJobStatus"],
        "counts": found["TrainingJobStatusCounters"],
        "best": {"job": job.name, "value": value, "hyperparameters": tuned},
        "directory": job.directory,
    }
