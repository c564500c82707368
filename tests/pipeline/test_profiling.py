"""What a job is told to be profiled, from the command line's words and from SageMaker's documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tintype.errors import InvalidRequest, NotFound
from tintype.jobs.configuration_files import write_configuration
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import JobSpec, Resources, Source
from tintype.pipeline.debugging import rule_entries, watched
from tintype.pipeline.profiling import (
    HOT_SPOTS,
    OPERATORS,
    ProfilingRequest,
    profiled,
    profiling_asked,
    profiling_of_sagemaker,
    split_rules,
)
from tintype.pipeline.watched_anew import ANY_JOB, watched_anew, watched_like
from tintype.profiler.capture_settings import VARIABLE, CaptureSettings, Window
from tintype.site_folder import site_folder

SCRIPT = JobSpec(Source("script", "train.py"), environment={"A": "1"})
OURS = JobSpec(Source("module", "tintype.training"))
# As the SageMaker SDK 2.257 writes them for FrameworkProfile(num_steps=10, start_step=5), to the letter.
PARAMETERS = {
    "LocalPath": "/opt/ml/output/profiler/",
    "RotateMaxFileSizeInBytes": "10485760",
    "RotateFileCloseIntervalInSeconds": "60",
    "FileOpenFailThreshold": "50",
    "DetailedProfilingConfig": '{"StartStep": 5, "NumSteps": 10, }',
    "DataloaderProfilingConfig": '{"StartStep": 5, "NumSteps": 10, "MetricsRegex": ".*", }',
    "PythonProfilingConfig": '{"StartStep": 5, "NumSteps": 10, "ProfilerName": "cprofile", "cProfileTimer": '
    '"total_time", }',
    "HorovodProfilingConfig": '{"StartStep": 5, "NumSteps": 10, }',
    "SMDataParallelProfilingConfig": '{"StartStep": 5, "NumSteps": 10, }',
}
RULES = [
    {
        "RuleConfigurationName": "ProfilerReport-1700000000",
        "RuleEvaluatorImage": "503895931360.dkr.ecr.us-east-1.amazonaws.com/sagemaker-debugger-rules:latest",
        "RuleParameters": {"rule_to_invoke": "ProfilerReport", "CPUBottleneck_cpu_threshold": "80"},
    },
    {
        "RuleConfigurationName": "LowGPUUtilization",
        "RuleParameters": {"rule_to_invoke": "LowGPUUtilization", "threshold_p95": "60", "window": "500"},
    },
]  # fmt: skip


def settings_of(spec: JobSpec) -> CaptureSettings | None:
    return CaptureSettings.from_environment(spec.environment)


def test_by_default_the_machine_is_sampled_and_a_script_left_alone(tmp_path: Path) -> None:
    spec = profiled(SCRIPT, profiling_asked(None), "job", tmp_path)
    (sampler,) = spec.companions
    assert sampler.command[1:3] == ("-m", "tintype.profiler")
    assert sampler.command[sampler.command.index("--interval-ms") + 1] == "500"
    assert sampler.restarts > 0
    assert dict(spec.environment) == {"A": "1"}
    assert spec.profiler == {"DisableProfiler": False, "ProfilingParameters": {}}
    # ... while the built-in trainer, which says its phases by itself, says them.
    assert settings_of(profiled(OURS, profiling_asked(None), "job", tmp_path)) == CaptureSettings(
        tmp_path / "profiler-output"
    )


def test_no_interval_is_no_profiler(tmp_path: Path) -> None:
    spec = profiled(OURS, profiling_asked(0), "job", tmp_path)
    assert (spec.companions, dict(spec.environment)) == ((), {})
    assert spec.profiler == {"DisableProfiler": True, "ProfilingParameters": {}}


def test_a_rule_brings_spans_closer_looks_and_its_process(tmp_path: Path) -> None:
    asked = profiling_asked(200, ["profiler_report:CPUBottleneck_cpu_threshold=80", "BatchSize"], "20:5")
    spec = profiled(SCRIPT, asked, "job", tmp_path)
    assert [one.name for one in spec.companions] == ["profiler", "profiler-rules"]
    assert spec.companions[1].command[-2:] == ("--job", "job")
    assert settings_of(spec) == CaptureSettings(tmp_path / "profiler-output", Window(20, 5), Window(20, 5))
    assert spec.environment["PYTHONPATH"] == str(site_folder())
    entries = spec.configuration["profilerrules.json"]
    assert [(one["name"], one["parameters"]) for one in entries] == [
        ("ProfilerReport", {"CPUBottleneck_cpu_threshold": "80"}), ("BatchSize", {}),
    ]  # fmt: skip
    assert profiling_asked(None, ["BatchSize"]).operators == OPERATORS


def test_each_host_has_its_sampler(tmp_path: Path) -> None:
    two = JobSpec(Source("script", "train.py"), resources=Resources(instance_count=2))
    spec = profiled(two, ProfilingRequest(), "job", tmp_path)
    assert [one.command[-1] for one in spec.companions] == ["algo-1", "algo-2"]
    assert len({one.name for one in spec.companions}) == 2


def test_the_debuggers_rules_and_the_profilers_are_told_apart() -> None:
    asked = ["VanishingGradient", "low_gpu_utilization:window=9", "ProfilerReport", "StalledTrainingRule"]
    assert split_rules(asked) == (
        ["VanishingGradient", "StalledTrainingRule"], ["low_gpu_utilization:window=9", "ProfilerReport"],
    )  # fmt: skip
    with pytest.raises(NotFound, match="LowGPUUtilization"):
        split_rules(["LowGPUUtilisation"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((50, ()), "from 100 to 60000"),
        ((0, ("ProfilerReport",)), "switched off"),
        ((None, ("BatchSize:window",)), "not parameter=value"),
        ((None, ("BatchSize:windows=3",)), "window"),
        ((None, ("BatchSize", "BatchSize")), "named 'BatchSize'"),
        ((None, (), "ten"), "FIRST:COUNT"),
        ((None, (), "5:0"), "window"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(options: tuple[int | None, ...], said: str) -> None:
    with pytest.raises((InvalidRequest, NotFound), match=said):
        profiling_asked(*options)  # type: ignore[arg-type]


def test_sagemakers_documents_as_the_sdk_writes_them(tmp_path: Path) -> None:
    config = {"S3OutputPath": "s3://b/", "ProfilingIntervalInMilliseconds": 100, "ProfilingParameters": PARAMETERS}
    asked = profiling_of_sagemaker({**config, "DisableProfiler": False}, RULES)
    assert asked.interval_ms == 100
    assert (asked.operators, asked.hot_spots) == (Window(5, 10), Window(5, 10))
    spec = profiled(SCRIPT, asked, "job", tmp_path)
    entries = spec.configuration["profilerrules.json"]
    assert [(one["name"], one["rule"]) for one in entries] == [
        ("ProfilerReport-1700000000", "ProfilerReport"), ("LowGPUUtilization", "LowGPUUtilization"),
    ]  # fmt: skip
    host = JobDirectory(tmp_path)
    host.lay_out()
    write_configuration(spec, host, 0)
    written = json.loads((host.config / "profilerconfig.json").read_text())
    assert set(written) == {"ProfilingParameters", "DisableProfiler"}
    assert written["ProfilingParameters"] == {**PARAMETERS, "LocalPath": f"{tmp_path}/output/profiler"}


def test_a_request_without_a_profiler_config_is_sampled_all_the_same() -> None:
    assert profiling_of_sagemaker(None, None) == ProfilingRequest()
    assert profiling_of_sagemaker({"DisableProfiler": True}, []).interval_ms == 0
    alone = profiling_of_sagemaker({"S3OutputPath": "s3://b/", "DisableProfiler": False}, RULES[1:])
    assert (alone.spans, alone.operators, alone.hot_spots) == (True, OPERATORS, HOT_SPOTS)


def test_windows_of_time_and_windows_that_are_none() -> None:
    def asked(value: str) -> Window | None:
        return profiling_of_sagemaker({"ProfilingParameters": {"DetailedProfilingConfig": value}}, None).operators

    assert asked('{"StartTimeInSecSinceEpoch": 1700000000, "Duration": 30, }') == Window(since=1.7e9, seconds=30.0)
    assert asked('{"StartStep": 7, }') == Window(7, 1)
    assert asked("{}") is None
    assert asked('{"ProfileDefaultSteps": true, }') == Window(5, 3)
    for value in ("{", "[1]", '{"NumSteps": "many"}'):
        with pytest.raises(InvalidRequest, match="DetailedProfilingConfig cannot be read"):
            asked(value)


@pytest.mark.parametrize("rules", [[{}], ["x"], [{"RuleConfigurationName": "a/b"}], [RULES[1], RULES[1]]])
def test_rules_that_are_none(rules: list[object]) -> None:
    with pytest.raises((InvalidRequest, NotFound)):
        profiling_of_sagemaker({}, rules)


def test_a_new_job_is_profiled_in_its_own_folder(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    home = tmp_path / "home"

    def made(name: str, directory: Path) -> JobSpec:
        seen = watched(SCRIPT, {}, rule_entries(["Overfit"]), name, directory, home)
        return profiled(seen, profiling_asked(None, ["ProfilerReport"]), name, directory)

    spec = made("old", old)
    moved = watched_anew(spec, str(old), "new", new)
    assert moved == made("new", new)
    assert watched_like(SCRIPT, made("", Path(ANY_JOB)), "new", new) == moved
    assert moved.environment["PYTHONPATH"] == str(site_folder())
    assert str(old) not in json.dumps(moved.to_json())
    assert VARIABLE in moved.environment
