"""What a request wants to be seen of its training, by the debugger and by the profiler, as our job has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tintype.debugger.configuration import HookConfiguration
from tintype.errors import InvalidRequest, NotFound
from tintype.jobs.job import JobSpec
from tintype.pipeline.debugging import watched
from tintype.pipeline.profiling import profiled, profiling_of_sagemaker
from tintype.rules.rule_configuration import parse_sagemaker
from tintype.storage import is_url
from tintype.web.api.surroundings import Locate, Surroundings

Json = Mapping[str, Any]

HOOK_KEYS = ("LocalPath", "HookParameters", "CollectionConfigurations")
LOCATIONS = ("source_s3_uri", "base_trial_s3_uri", "other_trials_s3_uri")       # parameters that are S3 URIs


def debugged(spec: JobSpec, request: Json, name: str, around: Surroundings) -> JobSpec:
    """`spec` with the request's hook and rules; as it is when there is no hook, which rules need.

    Raises `InvalidRequest` naming the rule or the parameter that is not known.
    """
    configuration = request.get("DebugHookConfig")
    entries = rule_entries(request.get("DebugRuleConfigurations") or (), around.locate)
    if configuration is None and not entries:
        return spec
    hook = {key: configuration[key] for key in HOOK_KEYS if key in configuration} if configuration else {}
    HookConfiguration.from_json(hook)
    return watched(spec, hook, entries, name, around.directory, around.home)


def measured(spec: JobSpec, request: Json, name: str, around: Surroundings) -> JobSpec:
    """`spec` with the request's profiler and its rules; as it is when the request speaks of neither.

    Raises `InvalidRequest` naming the rule or the parameter that is not known.
    """
    configuration, rules = request.get("ProfilerConfig"), request.get("ProfilerRuleConfigurations")
    if configuration is None and not rules:
        return spec
    located = [_located(one, around.locate) if isinstance(one, Mapping) else one for one in rules or ()]
    try:
        asked = profiling_of_sagemaker(configuration, located)
    except NotFound as error:
        raise InvalidRequest(f"ProfilerRuleConfigurations: {error}") from error
    return profiled(spec, asked, name, around.directory)


def rule_entries(configurations: Sequence[Json], locate: Locate) -> list[dict[str, Any]]:
    """The request's rules as a job's rules.json has them. `InvalidRequest` for a rule that is not known."""
    try:
        return [one.to_json() for one in parse_sagemaker([_located(one, locate) for one in configurations])]
    except NotFound as error:
        raise InvalidRequest(f"DebugRuleConfigurations: {error}") from error


def _located(configuration: Json, locate: Locate) -> dict[str, Any]:
    """With the URIs among its parameters as paths, where they are ours."""
    given = configuration.get("RuleParameters") or {}
    parameters = {
        key: locate(value) if is_url(value) and (key in LOCATIONS or "trial" in key) else value
        for key, value in given.items()
    }
    return {**configuration, "RuleParameters": parameters}
