"""A training job that is profiled: the sampler beside it, spans in its process, rules that judge it, and its report.

System metrics cost nothing that a training would notice, and are taken of every job that does not say otherwise. What
is put into a person's own script (spans, closer looks at a few steps) is put there when somebody asks: by a profiler
rule, an interval, or SageMaker's ProfilingParameters. The built-in trainer says its phases by itself.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import tintype
from tintype.errors import InvalidRequest, not_found
from tintype.jobs.directory import JobDirectory, host_name
from tintype.jobs.job import Companion, JobSpec
from tintype.pipeline.script_jobs import with_path
from tintype.profiler.capture_settings import OF_LOOP, VARIABLE, CaptureSettings, Window
from tintype.profiler.sampler import LONGEST_INTERVAL, SHORTEST_INTERVAL
from tintype.rules.catalogue import ALIASES, RULES, split_rule
from tintype.rules.custom_profiler import find_own_rule
from tintype.rules.profiler_catalogue import PROFILER_REPORT, PROFILER_RULES
from tintype.rules.profiler_configuration import (
    PROFILER_RULES_FILE,
    ProfilerRuleConfiguration,
    distinct,
    find_profiler_rule,
    parse_sagemaker_profiler_rules,
)
from tintype.rules.rule import Profile
from tintype.site_folder import site_folder

SAMPLER, JUDGE = "profiler", "profiler-rules"       # names of the companions, and of their logs
DEFAULT_INTERVAL_MS = 500
SAMPLER_RESTARTS = 10
JUDGING_SECONDS = 300.0                 # for the verdicts and the report of a job of days, after its end
OPERATORS = Window(first=10, steps=3)   # what is looked at more closely when nobody says which steps
HOT_SPOTS = Window(first=15, seconds=30.0)
MODULE = "module"                       # the kind of source of the built-in trainer
FILE = ".py"                            # of a user's own rule


@final
@dataclass(frozen=True)
class ProfilingRequest:
    """What is to be measured of a training, and which rules judge it. The default is the system metrics alone."""

    interval_ms: int = DEFAULT_INTERVAL_MS          # between two samples; 0: nothing is measured
    rules: tuple[ProfilerRuleConfiguration, ...] = ()
    spans: bool = False                             # of the steps of a person's own script
    operators: Window | None = None
    hot_spots: Window | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)     # SageMaker's ProfilingParameters, to the letter

    def __post_init__(self) -> None:
        low, high = int(1000 * SHORTEST_INTERVAL), int(1000 * LONGEST_INTERVAL)
        if self.interval_ms and not low <= self.interval_ms <= high:
            raise InvalidRequest(
                f"the profiler's interval must be from {low} to {high} milliseconds, or 0 for none; "
                f"got {self.interval_ms}"
            )
        if self.rules and not self.interval_ms:
            raise InvalidRequest(f"the rule {self.rules[0].name} needs the profiler, which is switched off")


def split_rules(rules: Sequence[str]) -> tuple[list[str], list[str]]:
    """`--rule` as (rules of the debugger, rules of the profiler). Raises `NotFound` naming all there are."""
    of_debugger, of_profiler = [], []
    known = {_plain(one) for one in (*RULES, *ALIASES)}
    for text in rules:
        name = text.partition(":")[0].strip()
        if find_profiler_rule(name) or name.endswith(FILE):
            of_profiler.append(text)
        elif _plain(name) in known:
            of_debugger.append(text)
        else:
            raise not_found("rule", name, (*RULES, PROFILER_REPORT, *PROFILER_RULES))
    return of_debugger, of_profiler


def profiling_asked(interval_ms: int | None, rules: Sequence[str] = (), steps: str = "") -> ProfilingRequest:
    """What the options of the command line ask for: `--profiler-interval`, `--rule`, and `--profile-steps FIRST:COUNT`.

    Raises `InvalidRequest` or `NotFound` naming what is wrong.
    """
    configured = distinct([_rule(text) for text in rules], "--rule")
    closer = bool(configured or interval_ms or steps)
    window = _steps(steps) if steps else None
    return ProfilingRequest(
        DEFAULT_INTERVAL_MS if interval_ms is None else interval_ms,
        configured,
        spans=closer,
        operators=(window or OPERATORS) if closer else None,
        hot_spots=(window or HOT_SPOTS) if closer else None,
    )


def profiling_of_sagemaker(
    profiler: Mapping[str, Any] | None, rules: Sequence[Any] | None, profile: Profile = Profile.RIGHT
) -> ProfilingRequest:
    """CreateTrainingJob's ProfilerConfig and ProfilerRuleConfigurations; None where the request has none.

    Without a ProfilerConfig SageMaker measures every 500 ms, and so do we. The windows of FrameworkProfile are written
    by the SDK as almost-JSON ('{"StartStep": 5, "NumSteps": 1, }') and are read as such. Raises `InvalidRequest`.
    """
    given, where = profiler or {}, "ProfilerConfig"
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"{where} must be an object, got {given!r}")
    configured = parse_sagemaker_profiler_rules(rules, profile)
    if str(given.get("DisableProfiler", "")).lower() == "true":
        return ProfilingRequest(interval_ms=0, rules=configured)
    interval = given.get("ProfilingIntervalInMilliseconds") or DEFAULT_INTERVAL_MS
    if not isinstance(interval, int):
        raise InvalidRequest(f"{where}.ProfilingIntervalInMilliseconds must be a whole number, got {interval!r}")
    parameters = given.get("ProfilingParameters") or {}
    if not isinstance(parameters, Mapping):
        raise InvalidRequest(f"{where}.ProfilingParameters must be an object, got {parameters!r}")
    closer = bool(configured or parameters)
    operators = _window(parameters, "DetailedProfilingConfig", 5, 3)
    hot_spots = _window(parameters, "PythonProfilingConfig", 9, 3)
    return ProfilingRequest(
        interval,
        configured,
        spans=closer,
        operators=operators or (OPERATORS if closer and not parameters else None),
        hot_spots=hot_spots or (HOT_SPOTS if closer and not parameters else None),
        parameters={str(name): str(value) for name, value in parameters.items()},
    )


def profiled(spec: JobSpec, request: ProfilingRequest, name: str, directory: Path) -> JobSpec:
    """`spec` with what the request asks for; `directory` is the job's. To be called once for a specification."""
    if not request.interval_ms:
        return replace(spec, profiler={"DisableProfiler": True, "ProfilingParameters": {}})
    output = JobDirectory(directory).profiler_output
    configuration = dict(spec.configuration)
    if request.rules:
        configuration[PROFILER_RULES_FILE] = [one.to_json() for one in request.rules]
    return replace(
        spec,
        profiler={"DisableProfiler": False, "ProfilingParameters": dict(request.parameters)},
        environment=_environment(spec, request, output),
        configuration=configuration,
        companions=(*spec.companions, *_companions(spec, request, name, directory)),
    )


def _environment(spec: JobSpec, request: ProfilingRequest, output: Path) -> dict[str, str]:
    ours = spec.source.kind == MODULE
    if not (ours or request.spans):
        return dict(spec.environment)
    settings = CaptureSettings(output, request.operators, request.hot_spots)
    environment = {**spec.environment, VARIABLE: settings.to_variable()}
    return {**environment, OF_LOOP: "1"} if ours else with_path(environment, site_folder())


def _companions(spec: JobSpec, request: ProfilingRequest, name: str, directory: Path) -> list[Companion]:
    # Not what the script's environment has: its folder may hold modules with names of ours.
    environment = {"PYTHONPATH": str(Path(tintype.__file__).parents[1]), VARIABLE: ""}
    output = JobDirectory(directory).profiler_output
    found = []
    for index in range(spec.resources.instance_count):
        host = host_name(index)
        words = ("--directory", str(output), "--interval-ms", str(request.interval_ms), "--host", host)
        command = (sys.executable, "-m", "tintype.profiler", *words)
        of_host = SAMPLER if index == 0 else f"{SAMPLER}-{host}"
        found.append(Companion(of_host, command, environment=environment, restarts=SAMPLER_RESTARTS))
    if request.rules:
        words = ("--job-directory", str(directory), "--job", name)
        command = (sys.executable, "-m", "tintype.reports.profiler_job", *words)
        found.append(Companion(JUDGE, command, JUDGING_SECONDS, environment))
    return found


def _rule(text: str) -> ProfilerRuleConfiguration:
    """`ProfilerReport`, `LowGPUUtilization:threshold_p95=60,window=100`, or `my_rules.py:MyRule:threshold=3`."""
    file, _, rest = text.partition(":")
    name, parameters = split_rule(rest if file.endswith(FILE) else text)
    if file.endswith(FILE):
        source = find_own_rule(Path(file), name)
        entry = {"name": name, "rule": name, "parameters": parameters, "source": source}
        return ProfilerRuleConfiguration.from_json(entry, "--rule")
    rule = find_profiler_rule(name)
    return ProfilerRuleConfiguration.from_json({"name": rule or name, "parameters": parameters}, "--rule")


def _steps(text: str) -> Window:
    first, _, count = text.partition(":")
    if not (first.isdecimal() and (count or "1").isdecimal()):
        raise InvalidRequest(f"--profile-steps takes FIRST:COUNT, e.g. 10:5; got {text!r}")
    return Window(int(first), int(count or "1"))


def _window(parameters: Mapping[str, Any], key: str, default_first: int, default_steps: int) -> Window | None:
    """The window in one of the SDK's five values; None where it is `{}` or is not there."""
    text = str(parameters.get(key) or "")
    try:
        document = json.loads(re.sub(r",\s*}", "}", text) or "{}")
        found = {str(name).lower(): value for name, value in document.items()}
        since = float(found.get("starttimeinsecsinceepoch") or 0)
        seconds = float(found.get("durationinseconds") or found.get("duration") or 0)
        steps = found.get("numsteps")
        if since or seconds:
            return Window(since=since, seconds=seconds or 60.0)
        if steps is not None or "startstep" in found:
            return Window(int(found.get("startstep") or 0), int(steps or 1))
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"ProfilerConfig.ProfilingParameters.{key} cannot be read: {text!r}") from error
    return Window(default_first, default_steps) if found.get("profiledefaultsteps") else None


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
