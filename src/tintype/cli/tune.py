"""`tintype tune`: a search over hyperparameters, of the built-in trainer or of a person's own script."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer
from rich.markup import escape

from tintype.cli import amazon
from tintype.cli.amazon_options import AmazonOptions
from tintype.cli.asked import Asked, Way
from tintype.cli.display import Display, settings_of
from tintype.cli.invocation import Invocation
from tintype.cli.script_options import ScriptOptions
from tintype.cli.search_options import SearchOptions
from tintype.cli.training_options import DataOption, ParameterOption, SeedOption, TrainerOptions, WaitOption
from tintype.cli.watch_options import WatchOptions
from tintype.jobs.names import TUNING_LENGTH, checked, stamped
from tintype.pipeline import coordination
from tintype.pipeline.coordination import Coordinator, completed
from tintype.pipeline.searching import Search, built_in_plan, by_recipe, networks_of, script_plan, with_trials
from tintype.pipeline.training_jobs import weights_finder
from tintype.pipeline.tuning_plan import BuiltInTrials, TuningPlan
from tintype.pipeline.tuning_summary import described
from tintype.pipeline.watched_trials import with_watched_trials
from tintype.reports.wording import counted
from tintype.tuning.state import TuningState
from tintype.workspace import Workspace

DEFAULT_TRIALS = 4                  # of a script; the built-in trainer's recipe has its own number


def tune(
    call: Invocation,
    *,
    data: DataOption = None,
    name: Annotated[str | None, typer.Option(help="Of the tuning job.")] = None,
    search: SearchOptions,
    trainer: TrainerOptions,
    parameter: ParameterOption = None,
    seed: SeedOption = 0,
    script: ScriptOptions,
    wait: WaitOption = True,
    watch: WatchOptions,
    on_amazon: AmazonOptions,
) -> None:
    """Search for the best hyperparameters; every trial is a training job."""
    asked = Asked.of(data, parameter, seed, trainer, script, watch, on_amazon)
    job_name = checked("tuning job", name or stamped(asked.stem, time.time(), TUNING_LENGTH), TUNING_LENGTH)
    wanted = search.search(job_name, seed)
    if asked.way & Way.SCRIPT:
        wanted = with_trials(wanted, DEFAULT_TRIALS)
    with call.workspace() as workspace, Display(call.console) as display:
        if asked.way & Way.THERE:
            call.answer(amazon.tune(call, workspace, asked, wanted, display, wait=wait))
            return
        state = tune_here(workspace, asked, wanted, display, wait=wait)
    say_best(call, state)
    call.answer(described(state))


def tune_here(workspace: Workspace, asked: Asked, search: Search, display: Display, *, wait: bool) -> TuningState:
    """The search at its end; without `wait`, as soon as it has begun."""
    watched, measured = asked.watch.debugging(), asked.watch.profiling_of_trials()
    coordination.refuse_taken(workspace.records, search.name)          # before anything is looked at
    with workspace.engine() as engine:
        if asked.script.warm:
            engine.warm_up()
        if asked.way & Way.SCRIPT:
            recipe, plan = None, script_plan(workspace.records, search, asked.script.request(asked.parameters))
        else:
            recipe = asked.recipe(weights_finder(workspace.settings, os.environ))
            searched, fixed = by_recipe(search, recipe, asked.hyperparameters)
            plan = built_in_plan(workspace, searched, asked.data, fixed, strict=asked.trainer.strict)
            _refuse_unusable(plan, asked.data)
        plan = with_watched_trials(plan, watched, measured, workspace.home)
        display.stage(f"Tuning {plan.name}: {_extent(plan)}")
        if recipe is None:
            display.note(f"{asked.script.entry_point} as training jobs")
        elif networks := networks_of(plan.settings.space):
            display.note(f"{', '.join(networks)} are compared")         # the recipe is of one network
        else:
            recipe.tell(display)
        return await_end(workspace, coordination.begin(workspace, plan), display, wait)


def _refuse_unusable(plan: TuningPlan, data: str) -> None:
    # Imported here: decoders and NumPy take a quarter of a second, which a script's trials have no use for.
    from tintype.pipeline.usable_data import refuse_unusable_data

    if isinstance(plan.trials, BuiltInTrials):
        refuse_unusable_data(plan.trials.base, data)


def await_end(workspace: Workspace, coordinator: Coordinator, display: Display, wait: bool) -> TuningState:
    """The tuning job at its end; or, without `wait`, as it is at its beginning."""
    if wait:
        return completed(coordinator.follow(display))
    coordinator.leave()
    return coordination.tuning_state(workspace.records, coordinator.name)


def say_best(call: Invocation, state: TuningState) -> None:
    """The outcome in two lines."""
    if state.best is None:
        hint = "" if state.is_finished else f"; `tintype tuning show {state.name}` shows how it stands"
        reason = f" ({state.reason})" if state.reason else ""
        call.say(escape(f"{state.name}: {state.status.value}{reason}; no trial has completed{hint}"))
        return
    call.say(f"best: {state.best.name}  {state.settings.objective} {state.best.value:.4f}  {settings_of(state.best)}")
    call.say(f"[dim]tintype deploy {state.best.name} serves it[/]")


def _extent(plan: TuningPlan) -> str:
    ranges = ", ".join(str(one) for one in plan.settings.space.ranges)
    trials = "all trials" if plan.settings.max_jobs is None else counted(plan.settings.max_jobs, "trial")
    return f"{trials} over {ranges}"
