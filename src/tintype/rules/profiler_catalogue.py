"""All profiler rules by name, and all of them at once: what SageMaker calls ProfilerReport."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tintype.errors import InvalidRequest, not_found
from tintype.profiler.readers import JobProfile
from tintype.rules.batch_size import BatchSize
from tintype.rules.cpu_bottleneck import CPUBottleneck
from tintype.rules.dataloader import Dataloader
from tintype.rules.gpu_memory_increase import GPUMemoryIncrease
from tintype.rules.io_bottleneck import IOBottleneck
from tintype.rules.load_balancing import LoadBalancing
from tintype.rules.low_gpu_utilization import LowGPUUtilization
from tintype.rules.max_initialization_time import MaxInitializationTime
from tintype.rules.memory_leak import MemoryLeak
from tintype.rules.overall_framework_metrics import OverallFrameworkMetrics
from tintype.rules.overall_system_usage import OverallSystemUsage
from tintype.rules.oversubscription import Oversubscription
from tintype.rules.parameters import describe, parse_parameters
from tintype.rules.profiler_rule import Judgement, ProfilerRule
from tintype.rules.rule import Profile
from tintype.rules.slow_decode import SlowDecode
from tintype.rules.small_batch_overhead import SmallBatchOverhead
from tintype.rules.step_outlier import StepOutlier
from tintype.rules.throttling import Throttling
from tintype.storage import write_json

PROFILER_REPORT = "ProfilerReport"      # SageMaker's name of all rules at once
IGNORED = {"opt_out_telemetry"}         # a parameter of ProfilerReport: we send nothing, whatever it says

PROFILER_RULES: Mapping[str, type[ProfilerRule[Any]]] = {
    one.NAME: one
    for one in (
        CPUBottleneck,
        IOBottleneck,
        LowGPUUtilization,
        StepOutlier,
        GPUMemoryIncrease,
        BatchSize,
        MaxInitializationTime,
        LoadBalancing,
        OverallSystemUsage,
        Dataloader,
        OverallFrameworkMetrics,
        MemoryLeak,
        Throttling,
        Oversubscription,
        SmallBatchOverhead,
        SlowDecode,
    )
}


def make_profiler_rule(
    name: str, parameters: Mapping[str, Any] | None = None, profile: Profile = Profile.RIGHT
) -> ProfilerRule[Any]:
    """A profiler rule. `parameters` may be strings, as SageMaker sends them.

    Raises `NotFound` for an unknown rule and `InvalidRequest` for an unknown parameter or a value out of range.
    """
    if name not in PROFILER_RULES:
        raise not_found("profiler rule", name, PROFILER_RULES)
    rule = PROFILER_RULES[name]
    given = parse_parameters(rule.PARAMETERS, parameters or {}, rule.NAME)
    return rule(parameters=given, profile=profile)  # type: ignore[call-arg]  (every rule is a dataclass with both)


def make_report_rules(
    parameters: Mapping[str, Any] | None = None, profile: Profile = Profile.RIGHT
) -> tuple[ProfilerRule[Any], ...]:
    """All rules, as ProfilerReport runs them. `parameters` are spelt `CPUBottleneck_cpu_threshold`, in any case."""
    known = {
        f"{name}_{one.name}".lower(): (name, one.name)
        for name, rule in PROFILER_RULES.items()
        for one in describe(rule.PARAMETERS)
    }
    given: dict[str, dict[str, Any]] = {name: {} for name in PROFILER_RULES}
    for key, value in (parameters or {}).items():
        if key.lower() in IGNORED:
            continue
        if key.lower() == "scan_interval_us":
            for of_rule in given.values():
                of_rule["scan_interval_us"] = value
            continue
        if key.lower() not in known:
            near = not_found("parameter", key, (f"{rule}_{name}" for rule, name in known.values()))
            raise InvalidRequest(f"{PROFILER_REPORT}: {near}")
        name, parameter = known[key.lower()]
        given[name][parameter] = value
    for name, rule in PROFILER_RULES.items():
        if "scan_interval_us" not in {one.name for one in describe(rule.PARAMETERS)}:
            given[name].pop("scan_interval_us", None)
    return tuple(make_profiler_rule(name, values, profile) for name, values in given.items())


def judge_profile(job: JobProfile, rules: tuple[ProfilerRule[Any], ...]) -> tuple[Judgement, ...]:
    """What each rule says. A rule that crashes says so, in `missing`; it stops no other."""
    return tuple(_judge(job, rule) for rule in rules)


def _judge(job: JobProfile, rule: ProfilerRule[Any]) -> Judgement:
    try:
        return rule.judge(job)
    except Exception as error:          # unknown is not "no issue": `crashed` makes its status Error
        return rule.judged(missing=f"the rule crashed: {error!r}", crashed=True)


def write_judgements(judgements: tuple[Judgement, ...], directory: Path) -> None:
    """One `<RuleName>.json` each, in SageMaker's shape. Raises `StorageFailed`."""
    for judgement in judgements:
        write_json(directory / f"{judgement.rule}.json", judgement.to_sagemaker(), durable=False)
