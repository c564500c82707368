"""`tintype tune`: a search over hyperparameters, of the built-in trainer or of a person's own script."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from tintype.cli.amazon import (
    BucketOption,
    OnOption,
    Place,
    RoleOption,
    connected,
    recipe_there,
    refuse_account,
    trainer_settings,
    trainer_spec,
    tune_there,
)
from tintype.cli.display import Display, settings_of
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
from tintype.cli.search_options import (
    WARM_START_TYPES,
    ConvergedOption,
    DirectionOption,
    GridPointsOption,
    MaxJobsOption,
    MaxResourceOption,
    MaxSecondsOption,
    MinResourceOption,
    NotImprovingOption,
    ObjectiveOption,
    ParallelOption,
    RangeOption,
    StoppingOption,
    StoppingWord,
    StrategyOption,
    StrategyWord,
    TargetOption,
    WarmStartFromOption,
    WarmStartTypeOption,
    WarmStartWord,
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
from tintype.jobs.job import Resources
from tintype.jobs.names import TUNING_LENGTH, stamped
from tintype.pipeline import coordination
from tintype.pipeline.coordination import Coordinator, completed
from tintype.pipeline.debugging import DebuggingRequest
from tintype.pipeline.profiling import profiling_asked, split_rules
from tintype.pipeline.recipe import recipe_asked
from tintype.pipeline.searching import Search, built_in_plan, by_recipe, script_plan, with_trials
from tintype.pipeline.training_jobs import weights_finder
from tintype.pipeline.tuning_plan import ScriptTrials, TuningPlan
from tintype.pipeline.tuning_summary import described
from tintype.pipeline.watched_trials import with_watched_trials
from tintype.tuning.objective import Direction
from tintype.tuning.settings import EarlyStopping, StrategyName
from tintype.tuning.state import TuningState
from tintype.workspace import Workspace

DEFAULT_TRIALS = 4                  # of a script; the built-in trainer's recipe has its own number
DEFAULT_OBJECTIVE = "valid:accuracy"


def tune(
    call: Invocation,
    data: DataOption = None,
    ranges: RangeOption = None,
    name: Annotated[str | None, typer.Option(help="Of the tuning job.")] = None,
    objective: ObjectiveOption = DEFAULT_OBJECTIVE,
    direction: DirectionOption = None,
    max_jobs: MaxJobsOption = None,
    max_parallel_jobs: ParallelOption = None,
    strategy: StrategyOption = StrategyWord.BAYESIAN,
    early_stopping: StoppingOption = StoppingWord.OFF,
    grid_points: GridPointsOption = None,
    min_resource: MinResourceOption = None,
    max_resource: MaxResourceOption = None,
    warm_start: WarmStartFromOption = None,
    warm_start_type: WarmStartTypeOption = WarmStartWord.IDENTICAL,
    target: TargetOption = None,
    max_seconds: MaxSecondsOption = None,
    max_not_improving: NotImprovingOption = None,
    stop_when_converged: ConvergedOption = False,
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
    """Search for the best hyperparameters; every trial is a training job."""
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
    search = Search(
        name=name or stamped(Path((data or entry_point or "tuning").rstrip("/")).stem, time.time(), TUNING_LENGTH),
        ranges=tuple(ranges or ()),
        objective=objective,
        direction=Direction(direction.capitalize()) if direction else None,
        max_jobs=max_jobs,
        max_parallel_jobs=max_parallel_jobs,
        strategy=StrategyName(strategy.capitalize()),
        early_stopping=EarlyStopping(early_stopping.capitalize()),
        seed=seed,
        target_value=target,
        max_runtime_seconds=max_seconds,
        max_jobs_not_improving=max_not_improving,
        stop_when_converged=stop_when_converged,
        grid_points=grid_points,
        min_resource=min_resource,
        max_resource=max_resource,
        warm_start=WARM_START_TYPES[warm_start_type],
        parents=tuple(warm_start or ()),
    )
    of_debugger, of_profiler = split_rules(rule or ())
    watch, measured = DebuggingRequest(of_debugger, hook or ()), bool(profiler_interval or of_profiler or profile_steps)
    profiling = profiling_asked(profiler_interval, of_profiler, profile_steps) if measured else None
    if on is Place.SAGEMAKER:
        refuse_watching(rule, hook, profiler_interval, profile_steps)
    with call.workspace() as workspace, workspace.engine() as engine, Display(call.console) as display:
        if warm and on is Place.HERE:
            engine.warm_up()
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
            plan = script_plan(workspace.records, with_trials(search, DEFAULT_TRIALS), request)
            title = f"{entry_point} as training jobs"
            if on is Place.SAGEMAKER and isinstance(plan.trials, ScriptTrials):
                remote = connected(role, bucket)
                tune_there(
                    call, workspace, remote, plan.settings, plan.trials.spec, display, data="", wait=wait
                )
                return
        elif data is not None and on is Place.SAGEMAKER:
            asked = asked_of_trainer(weights, epochs, image_size, parameter)
            recipe = recipe_there(asked, model, freeze)
            searched, fixed = by_recipe(search, recipe, asked)
            resources = Resources(instance_type=instance_type, instance_count=instance_count)
            spec = trainer_spec(fixed, resources, max_runtime)
            settings = trainer_settings(workspace, searched, fixed)
            tune_there(call, workspace, connected(role, bucket), settings, spec, display, data=data, wait=wait)
            return
        elif data is not None:
            asked = asked_of_trainer(weights, epochs, image_size, parameter)
            recipe = recipe_asked(asked, model, freeze, weights_finder(workspace.settings, os.environ))
            searched, fixed = by_recipe(search, recipe, asked)
            plan, title = built_in_plan(workspace, searched, data, fixed, strict=strict), recipe.title
        else:
            raise InvalidRequest("say what to train on: a folder of images, or --entry-point SCRIPT with its channels")
        plan = with_watched_trials(plan, watch, profiling, workspace.home)
        display.stage(f"Tuning {plan.name}: {_extent(plan)}")
        display.note(title)
        coordinator = coordination.begin(workspace, plan)
        state = await_end(workspace, coordinator, display, wait)
    say_best(call, state)
    call.answer(described(state))


def await_end(workspace: Workspace, coordinator: Coordinator, display: Display, wait: bool) -> TuningState:
    """The tuning job at its end; or, without `wait`, as soon as its coordinator has begun."""
    if wait:
        return completed(coordinator.follow(display))
    coordinator.wait_until_begun()
    coordinator.leave()
    return coordination.tuning_state(workspace.records, coordinator.name)


def say_best(call: Invocation, state: TuningState) -> None:
    """The outcome in two lines."""
    if state.best is None:
        hint = "" if state.is_finished else f"; `tintype tuning show {state.name}` shows how it stands"
        call.say(f"{state.name}: {state.status.value}; no trial has completed. {state.reason}{hint}")
        return
    call.say(f"best: {state.best.name}  {state.settings.objective} {state.best.value:.4f}  {settings_of(state.best)}")
    call.say(f"[dim]tintype deploy {state.best.name} serves it[/]")


def _extent(plan: TuningPlan) -> str:
    ranges = ", ".join(str(one) for one in plan.settings.space.ranges)
    return f"{plan.settings.max_jobs or 'all'} trials over {ranges}"
