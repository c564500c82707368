"""`tintype train`: one training job, of the built-in trainer or of a person's own script."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tintype.cli.amazon import (
    BucketOption,
    OnOption,
    Place,
    RoleOption,
    connected,
    recipe_there,
    refuse_account,
    train_there,
    trainer_spec,
)
from tintype.cli.display import Display
from tintype.cli.invocation import Invocation
from tintype.cli.script_options import (
    ChannelOption,
    EntryPointOption,
    EnvOption,
    InstanceCountOption,
    InstanceTypeOption,
    MaxRuntimeOption,
    MetricOption,
    OutputOption,
    RetriesOption,
    SourceDirOption,
    WaitOption,
    WarmOption,
    data_or_script,
    refuse_scripts,
    refuse_trainers,
    script_request,
)
from tintype.cli.training_options import (
    DataOption,
    EpochsOption,
    FreezeOption,
    ImageSizeOption,
    ModelOption,
    ParameterOption,
    SeedOption,
    StrictOption,
    WeightsOption,
    asked_of_trainer,
)
from tintype.cli.watch_options import (
    HookOption,
    ProfilerIntervalOption,
    ProfileStepsOption,
    RuleOption,
    refuse_watching,
)
from tintype.errors import InvalidRequest
from tintype.jobs.client import Engine
from tintype.jobs.job import Job, JobSpec, Resources
from tintype.jobs.names import checked, stamped
from tintype.pipeline.debugging import DebuggingRequest, debugged
from tintype.pipeline.following import wait_for
from tintype.pipeline.job_summary import described
from tintype.pipeline.profiling import profiled, profiling_asked, split_rules
from tintype.pipeline.recipe import recipe_asked
from tintype.pipeline.script_jobs import script_spec
from tintype.pipeline.training_jobs import TrainingRequest, base_plan, spec_of, weights_finder
from tintype.training.hyperparameters import Value
from tintype.workspace import Workspace


def train(
    call: Invocation,
    data: DataOption = None,
    name: Annotated[str | None, typer.Option(help="Of the job.")] = None,
    model: ModelOption = "auto",
    weights: WeightsOption = None,
    freeze: FreezeOption = None,
    epochs: EpochsOption = None,
    image_size: ImageSizeOption = None,
    parameter: ParameterOption = None,
    seed: SeedOption = 0,
    strict: StrictOption = False,
    entry_point: EntryPointOption = None,
    source_dir: SourceDirOption = "",
    channel: ChannelOption = None,
    metric: MetricOption = None,
    instance_type: InstanceTypeOption = "",
    instance_count: InstanceCountOption = 1,
    max_runtime: MaxRuntimeOption = 86400,
    env: EnvOption = None,
    output: OutputOption = "",
    retries: RetriesOption = 0,
    warm: WarmOption = True,
    rule: RuleOption = None,
    hook: HookOption = None,
    profiler_interval: ProfilerIntervalOption = None,
    profile_steps: ProfileStepsOption = "",
    on: OnOption = Place.HERE,
    role: RoleOption = "",
    bucket: BucketOption = "",
    wait: WaitOption = True,
) -> None:
    """Train one model with given hyperparameters, or run your own training script."""
    data, entry_point = data_or_script(data, entry_point)
    refuse_account(on, role, bucket)
    if entry_point is not None:
        refuse_trainers(
            model=model, weights=weights, freeze=freeze, epochs=epochs, image_size=image_size, strict=strict
        )
    else:
        refuse_scripts(
            source_dir=source_dir, channel=channel, metric=metric, env=env, output=output, retries=retries
        )
        if on is Place.HERE:
            refuse_scripts(instance_type=instance_type, instance_count=instance_count, max_runtime=max_runtime)
    job_name = checked("job", name) if name else stamped(_stem(data, entry_point), time.time())
    of_debugger, of_profiler = split_rules(rule or ())
    watch = DebuggingRequest(of_debugger, hook or ())
    measured = profiling_asked(profiler_interval, of_profiler, profile_steps)
    with call.workspace() as workspace, workspace.engine() as engine, Display(call.console) as display:
        if entry_point is not None:
            request = script_request(
                entry_point,
                source_dir=source_dir,
                channels=channel,
                parameters=parameter,
                metrics=metric,
                instance_type=instance_type,
                instance_count=instance_count,
                max_runtime=max_runtime,
                environment=env,
                output=output,
                retries=retries,
                warm=warm,
            )
            spec, title = script_spec(request), f"{entry_point} as a training job"
        elif data is not None and on is Place.SAGEMAKER:
            asked = asked_of_trainer(weights, epochs, image_size, parameter)
            recipe = recipe_there(asked, model, freeze)
            resources = Resources(instance_type=instance_type, instance_count=instance_count)
            spec, title = trainer_spec({**recipe.fixed, **asked}, resources, max_runtime), recipe.title
        elif data is not None:
            engine.warm_up()
            asked = asked_of_trainer(weights, epochs, image_size, parameter)
            request = TrainingRequest(job_name, data, asked, strict, seed)
            spec, title = _built_in(workspace, request, model, freeze)
        else:
            raise InvalidRequest("say what to train on: a folder of images, or --entry-point SCRIPT with its channels")
        if on is Place.SAGEMAKER:
            refuse_watching(rule, hook, profiler_interval, profile_steps)
            display.stage(f"Training {job_name} on SageMaker")
            remote = connected(role, bucket)
            found = train_there(workspace, remote, job_name, spec, display, data=data or "", wait=wait)
            if found is None:
                call.say(f"{job_name} runs on SageMaker; `aws sagemaker describe-training-job` shows it")
                call.answer({"name": job_name, "status": "InProgress"})
                return
            document = described(workspace.jobs, found)
            _say(call, found, document)
            call.answer(document)
            return
        directory = workspace.job_directory(job_name)
        spec = debugged(spec, watch, job_name, directory, workspace.home)
        spec = profiled(spec, measured, job_name, directory)
        display.stage(f"Training {job_name}")
        display.note(title)
        job = _run(workspace, engine, spec, job_name, display, wait)
        document = described(workspace.jobs, job)
    _say(call, job, document)
    call.answer(document)


def _built_in(workspace: Workspace, asked: TrainingRequest, model: str, freeze: bool | None) -> tuple[JobSpec, str]:
    """The built-in trainer with the recipe for what was asked, and the recipe's title."""
    finder = weights_finder(workspace.settings, os.environ)
    recipe = recipe_asked(asked.hyperparameters, model, freeze, finder)
    hyperparameters: dict[str, Value] = {**recipe.fixed, **asked.hyperparameters}
    request = TrainingRequest(asked.name, asked.data, hyperparameters, strict=asked.strict, seed=asked.seed)
    plan = base_plan(workspace, request)
    # Imported here: decoders and NumPy take a quarter of a second, which a script's job has no use for.
    from tintype.pipeline import decoding_ahead

    decoding_ahead.begin_for(plan)
    return spec_of(plan, hyperparameters), recipe.title


def _run(workspace: Workspace, engine: Engine, spec: JobSpec, name: str, display: Display, wait: bool) -> Job:
    job = engine.submit(spec, name)
    return wait_for(workspace, engine, name, display) if wait else job


def _say(call: Invocation, job: Job, document: dict[str, Any]) -> None:
    if not job.status.is_finished:
        call.say(f"{job.name} is {job.phase}; `tintype jobs logs {job.name} --follow` shows it")
        return
    for split, metrics in job.result.get("metrics", {}).items():
        if metrics is not None:
            call.say(f"{split}: accuracy {metrics['accuracy']:.1%}, loss {metrics['loss']:.4f}")
    for metric, figures in document["metrics"].items() if not job.result else ():
        call.say(f"{escape(metric)}: {figures['last']:.4g}")
    for one in document["rules"]:
        call.say(f"rule {one['name']}: {one['status']}")
    if document["archive"]:
        call.say(f"archive: {escape(str(document['archive']))}")


def _stem(data: str | None, entry_point: str | None) -> str:
    return Path((data or entry_point or "job").rstrip("/")).stem
