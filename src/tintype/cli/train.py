"""`tintype train`: one training job, of the built-in trainer or of a person's own script."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any

import typer
from rich.markup import escape

from tintype.cli import amazon
from tintype.cli.amazon_options import AmazonOptions
from tintype.cli.asked import Asked, Way, refuse_strangers
from tintype.cli.display import Display
from tintype.cli.invocation import Invocation
from tintype.cli.script_options import ScriptOptions
from tintype.cli.training_options import DataOption, ParameterOption, SeedOption, TrainerOptions, WaitOption
from tintype.cli.watch_options import WatchOptions
from tintype.errors import Conflict
from tintype.jobs.job import Job, JobSpec
from tintype.jobs.names import checked, stamped
from tintype.pipeline.debugging import debugged
from tintype.pipeline.following import wait_for
from tintype.pipeline.job_summary import described, judged, verdict
from tintype.pipeline.profiling import profiled
from tintype.pipeline.recipe import Recipe
from tintype.pipeline.script_jobs import script_spec
from tintype.pipeline.training_jobs import TrainingRequest, base_plan, spec_of, weights_finder
from tintype.training.hyperparameters import Value
from tintype.workspace import Workspace


def train(
    call: Invocation,
    *,
    data: DataOption = None,
    name: Annotated[str | None, typer.Option(help="Of the job.")] = None,
    trainer: TrainerOptions,
    parameter: ParameterOption = None,
    seed: SeedOption = 0,
    script: ScriptOptions,
    wait: WaitOption = True,
    watch: WatchOptions,
    on_amazon: AmazonOptions,
) -> None:
    """Train one model with given hyperparameters, or run your own training script."""
    asked = Asked.of(data, parameter, seed, trainer, script, watch, on_amazon)
    refuse_strangers(asked.way, {"seed": seed} if seed else {})         # a search has a use for it in any way
    job_name = checked("job", name) if name else stamped(asked.stem, time.time())
    with call.workspace() as workspace, Display(call.console) as display:
        if workspace.jobs.exists(job_name):                 # before anything is looked at
            hint = f"choose another name, or delete it first (tintype jobs delete {job_name})"
            raise Conflict(f"a training job named {job_name!r} is there already; {hint}")
        train_it = amazon.train if asked.way & Way.THERE else train_here
        job = train_it(workspace, asked, job_name, display, wait=wait)
        document = amazon.under_way(job_name) if job is None else described(workspace.jobs, job)
    say_job(call, job_name, job, document)
    call.answer(document)


def train_here(workspace: Workspace, asked: Asked, name: str, display: Display, *, wait: bool) -> Job:
    """The job at its end; without `wait`, as it was queued."""
    watched, measured = asked.watch.debugging(), asked.watch.profiling()
    with workspace.engine() as engine:
        if asked.way & Way.SCRIPT:
            recipe, spec = None, script_spec(asked.script.request(asked.parameters))
        else:
            engine.warm_up()
            recipe = asked.recipe(weights_finder(workspace.settings, os.environ))
            spec = _built_in(workspace, asked, name, recipe)
        directory = workspace.job_directory(name)
        spec = debugged(spec, watched, name, directory, workspace.home)
        spec = profiled(spec, measured, name, directory)
        display.stage(f"Training {name}")
        if recipe is not None:
            recipe.tell(display)
        else:
            display.note(f"{asked.script.entry_point} as a training job")
        job = engine.submit(spec, name)
        return wait_for(workspace, engine, name, display) if wait else job


def _built_in(workspace: Workspace, asked: Asked, name: str, recipe: Recipe) -> JobSpec:
    """The built-in trainer with the recipe for what was asked."""
    hyperparameters: dict[str, Value] = {**recipe.fixed, **asked.hyperparameters}
    plan = base_plan(
        workspace, TrainingRequest(name, asked.data, hyperparameters, strict=asked.trainer.strict, seed=asked.seed)
    )
    # Imported here: decoders and NumPy take a quarter of a second, which a script's job has no use for.
    from tintype.pipeline import decoding_ahead, usable_data

    usable_data.refuse_unusable_data(plan, asked.data)
    decoding_ahead.begin_for(plan)
    return spec_of(plan, hyperparameters)


def say_job(call: Invocation, name: str, job: Job | None, document: dict[str, Any]) -> None:
    """What has come of it, for a person; None: it is on SageMaker, and nobody waits."""
    if job is None:
        call.say(f"{name} runs on SageMaker; `aws sagemaker describe-training-job` shows it")
        return
    if not job.status.is_finished:
        call.say(f"{name} is {job.phase}; `tintype jobs logs {name} --follow` shows it")
        return
    for split, metrics in job.result.get("metrics", {}).items():
        if metrics is not None:
            call.say(f"{split}: {judged(metrics)}")
    for metric, figures in document["metrics"].items() if not job.result else ():
        call.say(f"{escape(metric)}: {figures['last']:.4g}")
    for one in document["rules"]:
        call.say(escape(f"rule {one['name']}: {verdict(one)}"))
    if any(one["findings"] for one in document["rules"]):
        call.say(f"[dim]tintype debug {escape(name)} says what was found, why, and what to do[/]")
    if document["archive"]:
        call.say(f"archive: {escape(str(document['archive']))}")
