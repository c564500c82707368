"""`--on sagemaker`: a training or a search on Amazon SageMaker itself, watched and brought home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from tintype.cli.amazon_options import AmazonOptions
from tintype.cli.asked import Asked, Way
from tintype.cli.display import Display
from tintype.cli.invocation import Invocation
from tintype.errors import InvalidRequest
from tintype.jobs.job import Job, JobSpec, MetricDefinition, Source
from tintype.models.names import OWN
from tintype.pipeline.recipe import Recipe
from tintype.pipeline.script_jobs import script_spec
from tintype.pipeline.searching import (
    MODEL,
    Search,
    by_recipe,
    networks_of,
    refuse_unknown_objective,
    script_search,
    search_settings,
)
from tintype.pipeline.training_jobs import NO_FILES, SEED, WEIGHTS, refuse_unknown_network, wire
from tintype.training.hyperparameters import Value
from tintype.training.narration import METRICS
from tintype.tuning.objective import Counted
from tintype.workspace import Workspace

if TYPE_CHECKING:
    from tintype.pipeline.amazon.remote import Remote


def train(workspace: Workspace, asked: Asked, name: str, display: Display, *, wait: bool) -> Job | None:
    """One training job there, brought home; None when it is not waited for."""
    from tintype.pipeline.amazon import jobs  # boto3 takes its time

    if asked.way & Way.SCRIPT:
        spec = script_spec(asked.script.request(asked.parameters))
    else:
        recipe = _recipe(asked)
        fixed = {**recipe.fixed, **asked.hyperparameters}
        refuse_unknown_network(str(fixed[MODEL]))
        recipe.tell(display)
        spec = _trainer(asked, fixed)
    display.stage(f"Training {name} on SageMaker")
    remote = _connected(asked.amazon)
    return jobs.train(workspace, remote, name, spec, display, data=asked.data, wait=wait)


def tune(
    call: Invocation, workspace: Workspace, asked: Asked, search: Search, display: Display, *, wait: bool
) -> dict[str, Any]:
    """One tuning job there, its best job brought home, and what is said of it. Returns the answer."""
    from tintype.pipeline.amazon import jobs

    if asked.way & Way.SCRIPT:
        settings, spec = script_search(workspace.records, search, asked.script.request(asked.parameters))
    else:
        refuse_unknown_objective(search.objective)
        recipe = _recipe(asked)
        searched, fixed = by_recipe(search, recipe, asked.hyperparameters)
        settings, spec = search_settings(workspace.records, searched, fixed, Counted.LAST), _trainer(asked, fixed)
        compared = networks_of(settings.space)
        for network in compared or [str(fixed[MODEL])]:
            refuse_unknown_network(network)
        if not compared:                            # the recipe is of one network
            recipe.tell(display)
    done = jobs.tune(workspace, _connected(asked.amazon), settings, spec, display, data=asked.data, wait=wait)
    if done is None:
        call.say(f"{settings.name} runs on SageMaker; `aws sagemaker describe-hyper-parameter-tuning-job` shows it")
        return under_way(settings.name)
    found, job = done
    best = found["BestTrainingJob"]
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    call.say(f"best: {job.name}  {settings.objective} {value:.4f}  {escape(str(best['TunedHyperParameters']))}")
    call.say(f"[dim]tintype deploy {job.name} serves it[/]")
    return {
        "name": found["HyperParameterTuningJobName"],
        "status": found["HyperParameterTuningJobStatus"],
        "counts": found["TrainingJobStatusCounters"],
        "best": {"job": job.name, "value": value, "hyperparameters": dict(best["TunedHyperParameters"])},
        "directory": job.directory,
    }


def under_way(name: str) -> dict[str, Any]:
    """The answer for what runs there, and nobody waits for."""
    return {"name": name, "status": "InProgress"}


def _connected(options: AmazonOptions) -> Remote:
    """The account of the environment. `InvalidRequest` without a role."""
    from tintype.pipeline.amazon.account import connect

    if not options.role:
        raise InvalidRequest("--on sagemaker needs --role ARN, a role that SageMaker may assume")
    return connect(options.role, options.bucket)


def _recipe(asked: Asked) -> Recipe:
    """The recipe, with the seed, which has no way of its own to a job there. There published weights can be had."""
    recipe = asked.recipe(lambda network: network != OWN)
    return replace(recipe, fixed={SEED: asked.seed, **recipe.fixed})


def _trainer(asked: Asked, fixed: Mapping[str, Value]) -> JobSpec:
    """The built-in trainer as a job there; its metrics are read by regexes of one group, as SageMaker wants them.

    Raises `InvalidRequest` for a file of weights, which is here.
    """
    if (weights := str(fixed.get(WEIGHTS, ""))) not in NO_FILES:
        hint = "leave it out and published ones are fetched there, or give none"
        raise InvalidRequest(f"weights: {weights} is on this machine and does not go along to SageMaker; {hint}")
    return JobSpec(
        source=Source("module", "tintype.training.container"),
        hyperparameters={name: wire(value) for name, value in fixed.items()},
        resources=asked.script.resources,
        metric_definitions=tuple(MetricDefinition(name, rf"{name}=([0-9.eE+-]+)") for name in METRICS),
        max_runtime_seconds=asked.script.max_runtime,
    )
