"""A CreateHyperParameterTuningJob request as a plan of ours."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from tintype.errors import InvalidRequest, Unsupported
from tintype.jobs import launch, sharing
from tintype.jobs.instances import Machine
from tintype.jobs.metric_scraper import MetricScraper
from tintype.pipeline.tuning_plan import ScriptTrials, TuningPlan
from tintype.tuning.earlier import WarmStartType
from tintype.tuning.objective import Counted, Direction
from tintype.tuning.settings import EarlyStopping, StrategyName, TuningSettings
from tintype.tuning.state import TuningState
from tintype.tuning.warm_start import warm_started
from tintype.web.api.kept_requests import definition_of, trial_request
from tintype.web.api.parameter_ranges import space_of
from tintype.web.api.surroundings import Surroundings
from tintype.web.api.training_spec import training_spec

Json = Mapping[str, Any]

MOST_JOBS = 750             # SageMaker's limit, and what counts when only a runtime ends the search


def tuning_plan(request: Json, around: Surroundings, parents: Sequence[TuningState]) -> TuningPlan:
    """The plan, with everything checked that can be. `parents` are the tuning jobs of its warm start.

    Raises `InvalidRequest`, `Unsupported`, `NotFound`, `BadData`, naming the member.
    """
    _refuse_several(request)
    definition = definition_of(request)
    spec = training_spec(trial_request(request, "", definition.get("StaticHyperParameters") or {}), around)
    settings = settings_of(request)
    metrics = [one.name for one in spec.metric_definitions]
    if not metrics:
        words = "A metric is required for this hyperparameter tuning job objective"
        raise InvalidRequest(f"{words}. Provide a metric in the metric definitions.")
    if settings.objective not in metrics:
        known = ", ".join(map(repr, metrics))
        raise InvalidRequest(f"the objective {settings.objective!r} is not among the MetricDefinitions: {known}")
    MetricScraper(spec.metric_definitions)
    machine = Machine.here()
    launch.check(spec, machine)
    if parents:
        kind = WarmStartType(request["WarmStartConfig"]["WarmStartType"])
        settings = warm_started(settings, kind, parents)
    spec = sharing.among(spec, settings.most_at_once, machine)
    return TuningPlan(settings, ScriptTrials(spec, quoted=False))


def settings_of(request: Json) -> TuningSettings:
    """What is searched, how, and until when, without a warm start."""
    configuration, definition = request["HyperParameterTuningJobConfig"], definition_of(request)
    objective = definition.get("TuningObjective") or configuration.get("HyperParameterTuningJobObjective")
    if not objective:
        raise InvalidRequest("HyperParameterTuningJobConfig has no HyperParameterTuningJobObjective")
    limits, criteria = configuration["ResourceLimits"], configuration.get("TuningJobCompletionCriteria") or {}
    strategy = StrategyName(configuration["Strategy"])
    hyperband = (configuration.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    name = request["HyperParameterTuningJobName"]
    return TuningSettings(
        name=name,
        space=space_of(definition.get("HyperParameterRanges") or configuration.get("ParameterRanges") or {}),
        objective=objective["MetricName"],
        direction=Direction(objective["Type"]),
        strategy=strategy,
        max_jobs=limits.get("MaxNumberOfTrainingJobs") or (None if strategy is StrategyName.GRID else MOST_JOBS),
        max_parallel_jobs=limits["MaxParallelTrainingJobs"],
        early_stopping=EarlyStopping(configuration.get("TrainingJobEarlyStoppingType", "Off")),
        counted=Counted.LAST,
        seed=configuration.get("RandomSeed", zlib.crc32(name.encode())),
        hyperparameters=definition.get("StaticHyperParameters") or {},
        max_runtime_seconds=limits.get("MaxRuntimeInSeconds"),
        **_criteria(criteria),
        min_resource=hyperband.get("MinResource"),
        max_resource=hyperband.get("MaxResource"),
    )


def _criteria(criteria: Json) -> dict[str, Any]:
    improving = criteria.get("BestObjectiveNotImproving") or {}
    converged = criteria.get("ConvergenceDetected") or {}
    return {
        "target_value": criteria.get("TargetObjectiveMetricValue"),
        "max_jobs_not_improving": improving.get("MaxNumberOfTrainingJobsNotImproving"),
        "stop_when_converged": converged.get("CompleteOnConvergence") == "Enabled",
    }


def _refuse_several(request: Json) -> None:
    several = request.get("TrainingJobDefinitions") or ()
    if len(several) > 1:
        raise Unsupported(f"{len(several)} TrainingJobDefinitions: a tuning job has one here; make one for each")
    if not several and not request.get("TrainingJobDefinition"):
        raise InvalidRequest("there is no TrainingJobDefinition")
