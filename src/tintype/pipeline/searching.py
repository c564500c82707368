"""A search as a person asks for it, of the built-in trainer or of a script, as a checked tuning plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from tintype.errors import InvalidRequest, not_found
from tintype.jobs import launch, sharing
from tintype.jobs.instances import Machine
from tintype.jobs.job import JobSpec
from tintype.jobs.metric_scraper import MetricScraper
from tintype.jobs.names import TUNING_LENGTH, checked
from tintype.pipeline.coordination import tuning_state
from tintype.pipeline.recipe import Recipe
from tintype.pipeline.script_jobs import ScriptRequest, script_spec
from tintype.pipeline.training_jobs import TrainingRequest, base_plan, refuse_unknown_network, resources_of
from tintype.pipeline.tuning_plan import BuiltInTrials, ScriptTrials, TuningPlan
from tintype.records import Records
from tintype.training.hyperparameters import find, plan_from
from tintype.training.narration import METRICS
from tintype.training.plan import TrainingPlan
from tintype.tuning.earlier import WarmStartType
from tintype.tuning.objective import Counted, Direction
from tintype.tuning.ranges import Categorical, Value, parse_range
from tintype.tuning.settings import EarlyStopping, StrategyName, TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.warm_start import warm_started
from tintype.workspace import Workspace

ALIKE = 3                   # trials that fail in the same way before they measure anything: no other will do better
MODEL = "model"             # the hyperparameter that is a network's name
OBJECTIVES = ("valid:accuracy", "valid:loss")       # by which the built-in trainer can choose its best epoch

UNGUIDED = (StrategyName.RANDOM, StrategyName.GRID)         # they choose the same trials whatever was measured
MOST_AT_ONCE = 8                                            # unless more are asked for: each takes its memory

# Parts of a metric's name that say which way is better, when nobody does.
TELLING = {
    "loss": Direction.MINIMIZE, "error": Direction.MINIMIZE, "perplexity": Direction.MINIMIZE,
    "acc": Direction.MAXIMIZE, "f1": Direction.MAXIMIZE, "auc": Direction.MAXIMIZE, "precision": Direction.MAXIMIZE,
    "recall": Direction.MAXIMIZE,
}  # fmt: skip


@final
@dataclass(frozen=True)
class Search:
    """What is searched, how, and until when. See `TuningSettings` for each."""

    name: str
    ranges: Sequence[str]                           # as `--range` takes them
    objective: str
    direction: Direction | None = None              # None: what the objective's name says
    max_jobs: int | None = 4
    max_parallel_jobs: int | None = None            # None: one, unless trials are cheap and learn nothing from others
    strategy: StrategyName = StrategyName.BAYESIAN
    early_stopping: EarlyStopping = EarlyStopping.OFF
    seed: int = 0
    target_value: float | None = None
    max_runtime_seconds: float | None = None
    max_jobs_not_improving: int | None = None
    stop_when_converged: bool = False
    grid_points: int | None = None
    min_resource: int | None = None
    max_resource: int | None = None
    warm_start: WarmStartType = WarmStartType.IDENTICAL
    parents: Sequence[str] = ()                     # earlier tuning jobs to start from


def by_recipe(search: Search, recipe: Recipe, asked: Mapping[str, Value]) -> tuple[Search, dict[str, Value]]:
    """The search with the recipe's ranges where it has none, and what is fixed. `asked` has hyperparameters by their
    first names. `InvalidRequest` for one that has a value and a range.
    """
    # What is given as a value is not searched by the recipe; what is given as a range is not held by it.
    chosen = search.ranges or tuple(one for one in recipe.ranges if _name_of(one) not in asked)
    ranged = {_name_of(text) for text in chosen}
    if twice := sorted(ranged & asked.keys()):
        raise InvalidRequest(f"{twice[0]} is given as a value and as a range; give one of them")
    held = dict(recipe.fixed)
    if MODEL in ranged:
        held.pop("weights", None)                   # of the recipe's own network; no other is to start from random ones
    fixed = {key: value for key, value in {**held, **asked}.items() if key not in ranged}
    return replace(with_trials(search, recipe.trials), ranges=chosen), fixed


def with_trials(search: Search, usual: int) -> Search:
    """With a number of trials where none was given; a grid is tried to its end."""
    if search.max_jobs is not None or search.strategy is StrategyName.GRID:
        return search
    return replace(search, max_jobs=usual)


def _name_of(text: str) -> str:
    """The hyperparameter that a range is of."""
    return find(text.partition("=")[0]).name


def search_settings(records: Records, search: Search, fixed: Mapping[str, Value], counted: Counted) -> TuningSettings:
    """The settings of a search. Raises `InvalidRequest`, naming the setting, and `NotFound` for a parent."""
    checked("tuning job", search.name, TUNING_LENGTH)
    settings = TuningSettings(
        name=search.name,
        space=Space(tuple(parse_range(text) for text in search.ranges)),
        objective=search.objective,
        direction=search.direction or _told_by(search.objective),
        strategy=search.strategy,
        max_jobs=search.max_jobs,
        max_parallel_jobs=search.max_parallel_jobs or 1,
        early_stopping=search.early_stopping,
        counted=counted,
        give_up_alike=ALIKE,
        seed=search.seed,
        hyperparameters=fixed,
        target_value=search.target_value,
        max_runtime_seconds=search.max_runtime_seconds,
        max_jobs_not_improving=search.max_jobs_not_improving,
        stop_when_converged=search.stop_when_converged,
        grid_points=search.grid_points,
        min_resource=search.min_resource,
        max_resource=search.max_resource,
    )
    if not search.parents:
        return settings
    return warm_started(settings, search.warm_start, [tuning_state(records, name) for name in search.parents])


def script_search(records: Records, search: Search, script: ScriptRequest) -> tuple[TuningSettings, JobSpec]:
    """A search over a person's own script, and the job that each of its trials is. The latest value of a metric counts,
    as in SageMaker.

    All that can be known to be wrong is refused now: `InvalidRequest`, `NotFound`, `BadData`, `Unsupported`.
    """
    spec = script_spec(script)
    settings = search_settings(records, search, script.hyperparameters, Counted.LAST)
    metrics = [one.name for one in spec.metric_definitions]
    if settings.objective not in metrics:
        known = f"; the metrics that are read are {', '.join(metrics)}" if metrics else ""
        example = f"--metric '{settings.objective}=REGEX'"
        raise InvalidRequest(f"no metric is defined for the objective {settings.objective!r}: give {example}{known}")
    MetricScraper(spec.metric_definitions)
    launch.check(spec, Machine.here())
    return settings, spec


def script_plan(records: Records, search: Search, script: ScriptRequest) -> TuningPlan:
    """The same on this machine, which the trials share. Raises as `script_search` does."""
    settings, spec = script_search(records, search, script)
    return TuningPlan(settings, ScriptTrials(sharing.among(spec, settings.most_at_once, Machine.here())))


def built_in_plan(
    workspace: Workspace, search: Search, data: str, fixed: Mapping[str, Value], *, strict: bool = False
) -> TuningPlan:
    """A search over the built-in trainer. A trial is worth its best epoch, because its archive holds that one.

    Every range's ends are tried on the plan, so that a bad one is refused at once. Trials that only train a head on
    features which the first computes for all run one a core, unless the strategy learns from those before or a number
    was asked for.
    """
    refuse_unknown_objective(search.objective)
    settings = search_settings(workspace.records, search, fixed, Counted.BEST)
    training = TrainingRequest(search.name, data, fixed, strict=strict, seed=search.seed)
    base = base_plan(workspace, training)
    if search.objective in OBJECTIVES:
        base = TrainingPlan.model_validate({**base.model_dump(), "objective": search.objective})
    machine, plan = Machine.here(), TuningPlan(settings, BuiltInTrials(base))
    are_cheap = base.uses_cached_features and plan.share_images
    if are_cheap and search.max_parallel_jobs is None and settings.strategy in UNGUIDED:
        settings = settings.model_copy(update={"max_parallel_jobs": min(machine.cores, MOST_AT_ONCE)})
    taken = sharing.shared(resources_of(base), settings.most_at_once, machine)
    first = base.compute.threads if are_cheap and taken.cores != base.compute.threads else None
    base = base.model_copy(update={"compute": base.compute.model_copy(update={"threads": taken.cores})})
    for name in networks_of(settings.space):
        refuse_unknown_network(name)
    for end in (0.0, 1.0):
        plan_from(settings.space.from_unit(dict.fromkeys(settings.space.names, end)), base)
    return TuningPlan(settings, BuiltInTrials(base, first))


def refuse_unknown_objective(name: str) -> None:
    """`NotFound` for a metric that the built-in trainer does not measure, with those that are near."""
    if name not in METRICS:
        spelt = [one for one in METRICS if one.rpartition(":")[2] == name.casefold()]     # "accuracy", of which split?
        raise not_found("metric of the built-in trainer", name, spelt or METRICS)


def networks_of(space: Space) -> list[str]:
    """The networks that a search tries, if it searches for one."""
    ranges = [one for one in space.ranges if isinstance(one, Categorical) and find(one.name).name == MODEL]
    return [str(value) for one in ranges for value in one.values]


def _told_by(objective: str) -> Direction:
    found = {direction for word, direction in TELLING.items() if word in objective.lower()}
    if len(found) != 1:
        raise InvalidRequest(f"which way is better for {objective!r}? say --direction minimize or maximize")
    return found.pop()
