"""Each profiler rule: what it must name, what it must leave alone, and what it says when it cannot know."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.profiler.recordings import Ticking, span_writer
from tests.rules.profiles import COMPUTING, MS, WAITING, Told, noise
from tintype.errors import InvalidRequest, NotFound
from tintype.profiler.phases import Outside, Phase
from tintype.profiler.readers import JobProfile, open_profile
from tintype.profiler.span_files import Span
from tintype.profiler.system_metrics import (
    CPU_THROTTLED,
    GPU_THROTTLED,
    PROCESS_CPU,
    PROCESS_RUNNABLE,
    PROCESS_THREADS,
    RUNNABLE_TASKS,
    Kind,
)
from tintype.rules.profiler_catalogue import (
    PROFILER_RULES,
    judge_profile,
    make_profiler_rule,
    make_report_rules,
    write_judgements,
)
from tintype.rules.profiler_rule import Judgement
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

NOISY = noise()
GPU = (lambda n: 90 + NOISY(n),)
HEALTHY = Told(seconds=60, steps=800, phases=COMPUTING, cpu=lambda n: 60 + NOISY(n), gpus=GPU)
ON_CPU = replace(HEALTHY, gpus=(), cpu=95.0)
QUOTA = replace(HEALTHY, cores=32, usable_cores=2.0, cpu=8.0, more={(Kind.CPU, "job", PROCESS_CPU): 197.0})
TASKS = {(Kind.CPU, "total", RUNNABLE_TASKS): 20.0, (Kind.CPU, "job", PROCESS_THREADS): 24.0}
WANTING = (Kind.CPU, "job", PROCESS_RUNNABLE)

SLOW: dict[str, tuple[str, Told]] = {
    "an idle GPU": ("LowGPUUtilization", replace(HEALTHY, gpus=(30.0,))),
    "a GPU by fits and starts": ("LowGPUUtilization", replace(HEALTHY, gpus=(lambda n: 95.0 * (n % 3 > 0),))),
    "everything idle": ("BatchSize", replace(HEALTHY, gpus=(30.0,), cpu=20.0)),
    "full processors": ("CPUBottleneck", replace(HEALTHY, gpus=(5.0,), cpu=97.0)),
    "a full quota": ("CPUBottleneck", replace(QUOTA, gpus=(5.0,))),
    "a slow disk beside a GPU": ("IOBottleneck", replace(HEALTHY, gpus=(5.0,), cpu=10.0, io_wait=80.0)),
    "a slow disk": ("IOBottleneck", replace(ON_CPU, phases=WAITING, steps=300, cpu=10.0, io_wait=80.0)),
    "GPU memory that grows": ("GPUMemoryIncrease", replace(HEALTHY, gpu_memory=lambda n: 40 + n / 5)),
    "GPUs with unequal work": ("LoadBalancing", replace(HEALTHY, gpus=(95.0, lambda n: 40 + 5 * NOISY(n)))),
    "ranks with unequal work": ("LoadBalancing", replace(ON_CPU, steps=200, workers=2, slow_worker=2.0)),
    "a loader that is waited for": ("Dataloader", replace(ON_CPU, phases=WAITING, steps=300)),
    "a loader with far too many workers": ("Dataloader", replace(ON_CPU, num_workers=32)),
    "a long start": ("MaxInitializationTime", replace(ON_CPU, first_step=40.0, steps=200)),
    "some slow steps": (
        "StepOutlier",
        replace(ON_CPU, phases={**COMPUTING, Phase.DATA_WAIT: lambda n: 400.0 if n % 25 == 20 else 2.0}, steps=500),
    ),
    "host memory that grows": ("MemoryLeak", replace(ON_CPU, memory=lambda n: 10 + n / 10)),
    "a hot GPU": ("Throttling", replace(HEALTHY, more={(Kind.GPU, "gpu0", GPU_THROTTLED): 1.0})),
    "a small quota": ("Throttling", replace(ON_CPU, more={(Kind.CPU, "job", CPU_THROTTLED): 60.0})),
    "too many threads": ("Oversubscription", replace(ON_CPU, more={WANTING: 8.0})),
    "too many threads now and then": ("Oversubscription", replace(ON_CPU, more={WANTING: lambda n: 3.0 + 8 * (n % 3)})),
    "too many threads, as a kernel without accounts tells": ("Oversubscription", replace(ON_CPU, more=TASKS)),
    "tiny batches": (
        "SmallBatchOverhead",
        replace(ON_CPU, phases={Phase.DATA_WAIT: 0.2, Phase.FORWARD: 0.5, Phase.BACKWARD: 0.7, Phase.OPTIMIZER: 1.0},
                rest=0.5, steps=8000),
    ),
    "huge images": ("SlowDecode", replace(ON_CPU, phases=WAITING, steps=300, decoding=0.8, waiting_cpu=0.95)),
}  # fmt: skip


def judged(told: Told, root: Path, profile: Profile = Profile.RIGHT) -> dict[str, Judgement]:
    return {one.rule: one for one in judge_profile(told.write(root), make_report_rules(profile=profile))}


def fired(judgements: dict[str, Judgement]) -> set[str]:
    assert not [one for one in judgements.values() if one.crashed]
    return {name for name, one in judgements.items() if one.triggered}


@pytest.mark.parametrize("case", SLOW)
def test_what_is_slow_is_named(tmp_path: Path, case: str) -> None:
    rule, told = SLOW[case]
    judgements = judged(told, tmp_path)
    assert rule in fired(judgements)
    found = judgements[rule]
    assert found.status is RuleStatus.ISSUES_FOUND
    assert found.findings[0].message
    assert found.findings[0].cause
    assert found.findings[0].remedy
    json.dumps([one.to_json() for one in found.findings])


@pytest.mark.parametrize(
    "told",
    [
        HEALTHY,
        replace(HEALTHY, seconds=15, steps=200),                                # short jobs are judged too
        ON_CPU,
        replace(ON_CPU, cpu=lambda n: 100.0 if n % 50 == 0 else 60.0),
        replace(HEALTHY, gpu_memory=lambda n: min(60.0, 5.0 * n)),              # a ramp at the start is no leak
        replace(ON_CPU, memory=lambda n: 40 + 2 * NOISY(n)),
        replace(ON_CPU, memory=lambda n: 10 + n / 10, steps=3, phases={Phase.FORWARD: 18_000.0}),       # three steps
        replace(ON_CPU, phases={**COMPUTING, Phase.FORWARD: lambda n: 20 + 2 * NOISY(n)}),
        replace(ON_CPU, phases={**COMPUTING, Phase.FORWARD: lambda n: 3000.0 if n == 0 else 20.0}),     # warm-up
        replace(HEALTHY, gpus=(lambda n: 90 + NOISY(n), lambda n: 91 + NOISY(n + 7))),
        replace(ON_CPU, workers=2),
        replace(HEALTHY, more={(Kind.GPU, "gpu0", GPU_THROTTLED): lambda n: float(n % 20 == 0)}),
        replace(ON_CPU, more={**TASKS, WANTING: 4.5}),                          # others' tasks, and workers that wait
        replace(ON_CPU, cpu=40.0, more={WANTING: 8.0}),                         # cores are free
    ],
)  # fmt: skip
def test_what_is_healthy_is_left_alone(tmp_path: Path, told: Told) -> None:
    assert fired(judged(told, tmp_path)) == set()


def test_memory_that_the_profiler_took_is_no_leak(tmp_path: Path) -> None:
    def look(root: Path) -> JobProfile:
        """The profile of `root`, whose window of operators was read from the second second to the 32nd."""
        clock = Ticking()
        writer = span_writer(root, clock, "0-algo-1-window")
        begun = clock.now + 2_000 * MS
        writer.add(Span(Outside.CLOSER_LOOK, Outside.CLOSER_LOOK, begun, begun + 30_000 * MS))
        writer.end()
        return open_profile(root)

    def leaks(job: JobProfile) -> bool:
        return any(one.triggered for one in judge_profile(job, [make_profiler_rule("MemoryLeak")]))

    growing = replace(ON_CPU, memory=lambda n: 10 + min(n, 60) / 4 + n / 1000)
    assert leaks(growing.write(tmp_path / "nobody"))
    growing.write(tmp_path / "the profiler")
    assert not leaks(look(tmp_path / "the profiler"))
    replace(ON_CPU, memory=lambda n: 10 + n / 10).write(tmp_path / "both")
    assert leaks(look(tmp_path / "both"))


def test_slow_steps_are_not_the_trainings_when_other_programs_took_the_processors(tmp_path: Path) -> None:
    slow = {**COMPUTING, Phase.BACKWARD: lambda n: 400.0 if n % 25 >= 20 else 40.0}
    told = replace(ON_CPU, phases=slow, steps=400, cpu=100.0)       # a round of 25 steps takes 3.45 s, its end 2.1 s
    own = {(Kind.CPU, "job", PROCESS_CPU): lambda n: 200.0 if (n / 2 - 1) % 3.45 > 1.33 else 380.0}
    assert fired(judged(told, tmp_path / "its own")) == {"StepOutlier"}
    found = judged(replace(told, more=own), tmp_path / "others")["StepOutlier"]
    assert found.triggered == 0
    assert "but other programs took the processors: they used 1.8 cores" in found.missing
    crowd = replace(told, more={(Kind.CPU, "job", PROCESS_CPU): 200.0})
    crowded = judged(crowd, tmp_path / "crowd")["StepOutlier"]
    assert "but other programs filled the processors all along" in crowded.missing
    waiting = replace(told, more=own, phases={**COMPUTING, Phase.DATA_WAIT: slow[Phase.BACKWARD]})
    assert "StepOutlier" in fired(judged(waiting, tmp_path / "a wait"))     # others use what a waiting job leaves


def test_a_full_quota_is_no_small_batch(tmp_path: Path) -> None:
    job = replace(QUOTA, gpus=(30.0,)).write(tmp_path)
    fired = {one.rule for one in judge_profile(job, make_report_rules()) if one.triggered}
    assert "BatchSize" not in fired
    assert "LowGPUUtilization" in fired


def test_without_a_gpu_the_gpu_rules_say_so(tmp_path: Path) -> None:
    judgements = judged(ON_CPU, tmp_path)
    for name in ("LowGPUUtilization", "BatchSize", "CPUBottleneck", "GPUMemoryIncrease"):
        assert judgements[name].missing.startswith("no GPU"), name
    assert judgements["Dataloader"].missing == ""
    assert judgements["SmallBatchOverhead"].missing == ""


@pytest.mark.parametrize("told", [Told(0), Told(0.5), Told(60), Told(1, steps=1, phases=COMPUTING)])
@pytest.mark.parametrize("profile", Profile)
def test_little_data_is_no_verdict_and_no_crash(tmp_path: Path, told: Told, profile: Profile) -> None:
    judgements = judged(told, tmp_path, profile)
    assert fired(judgements) == set()
    undecided = [name for name, one in judgements.items() if one.missing]
    assert {"LowGPUUtilization", "StepOutlier"} <= set(undecided)
    write_judgements(tuple(judgements.values()), tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.json"))) == len(PROFILER_RULES)


@pytest.mark.data
@pytest.mark.parametrize("traces", ["test_traces", "merge_traces", "model_timeline_traces"])
@pytest.mark.parametrize("profile", Profile)
def test_aws_own_traces_are_judged(shared_data: Callable[[str], Path], traces: str, profile: Profile) -> None:
    job = open_profile(shared_data("aws-profiler-traces") / traces)
    judgements = judge_profile(job, make_report_rules(profile=profile))
    assert not [one for one in judgements if one.crashed]
    # SageMaker's own rule of the initialization fires for any long job without steps.
    known = {"MaxInitializationTime"} if profile is Profile.SAGEMAKER else set()
    assert {one.rule for one in judgements if one.triggered} <= known


def shape(document: Any) -> Any:
    """The keys of a document, all the way down; numbers alike."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    return type(document).__name__ if isinstance(document, str | bool) or document is None else "number"


@pytest.mark.data
@pytest.mark.parametrize("name", [name for name, rule in PROFILER_RULES.items() if rule.IS_SAGEMAKERS])
def test_files_have_the_shape_of_sagemakers(tmp_path: Path, shared_data: Callable[[str], Path], name: str) -> None:
    golden = json.loads((shared_data("profiler-report") / f"{name}.json").read_text())
    told = replace(ON_CPU, phases=WAITING, steps=100)
    rule = make_profiler_rule(name, profile=Profile.SAGEMAKER)
    ours = rule.judge(told.write(tmp_path)).to_sagemaker()
    assert list(ours) == list(golden)
    assert ours["RuleParameters"] == golden["RuleParameters"]
    expected, found = shape(golden["Details"]), shape(ours["Details"])
    if name == "OverallFrameworkMetrics":       # its operators and phases are what the training is made of
        assert set(found) <= set(expected)
        assert {"phase", "general", "phase_time"} <= set(found)
    elif name == "Dataloader":
        assert set(found) - {"prefetch"} == set(expected)
        assert set(found["dataloading_time"]) == set(expected["dataloading_time"])
        assert len(ours["Details"]["dataloading_time"]["binedges"]) == 101
    else:
        assert found == expected


def test_sagemakers_patience_and_counting(tmp_path: Path) -> None:
    job = replace(HEALTHY, gpus=(30.0, 90.0), cpu=20.0, seconds=600, steps=0).write(tmp_path)
    low = make_profiler_rule("LowGPUUtilization", profile=Profile.SAGEMAKER).judge(job)
    # 1200 samples; more than 1000 are there after the ninth and the tenth minute.
    assert (low.triggered, low.violations) == (2, 2)
    assert set(low.details["algo-1"]["gpu0"]) == {
        "gpu_max", "gpu_95", "gpu_5", "p25", "p50", "p75", "p95", "upper", "lower", "last_timestamp",
    }  # fmt: skip
    assert "gpu1" in low.details["algo-1"]
    short = make_profiler_rule("LowGPUUtilization", {"patience": "100", "window": "50"}, Profile.SAGEMAKER).judge(job)
    assert short.triggered == 10
    batch = make_profiler_rule("BatchSize", profile=Profile.SAGEMAKER).judge(job)
    assert batch.triggered == 2
    assert set(batch.details["algo-1"]) == {"cpu", "gpu0", "gpu0_memory", "gpu1", "gpu1_memory", "last_timestamp"}
    memory = make_profiler_rule("GPUMemoryIncrease", {"patience": 10}, Profile.SAGEMAKER)
    step = replace(HEALTHY, gpus=(50.0,), gpu_memory=lambda n: 10.0 if n < 60 else 90.0, steps=0)
    assert memory.judge(step.write(tmp_path / "memory")).triggered >= 1


def test_sagemakers_bottleneck_is_any_hot_core(tmp_path: Path) -> None:
    told = replace(HEALTHY, gpus=(5.0,), cpu=30.0, seconds=560, steps=0)
    hot = replace(told, more={(Kind.CPU, "cpu9", "CPUUtilization"): 99.0}).write(tmp_path)
    found = make_profiler_rule("CPUBottleneck", profile=Profile.SAGEMAKER).judge(hot)
    assert found.triggered >= 1
    assert found.details["low_gpu_utilization"] == found.datapoints == 1120
    first = next(iter(found.details["bottlenecks"].values()))
    assert first == {"GPUs": 1, "CPUs": 1}
    assert make_profiler_rule("CPUBottleneck").judge(hot).triggered == 0


def test_outliers_say_which_phase(tmp_path: Path) -> None:
    found = judged(SLOW["some slow steps"][1], tmp_path)["StepOutlier"]
    assert "data wait" in found.findings[0].message
    details = found.details["step_details"]["0-algo-1"]
    assert details["number_of_outliers"] == 20
    assert details["phase"] == "Step:ModeKeys.TRAIN"
    assert len(details["binedges"]) == 101
    assert details["step_numbers"][:2] == ["20", "45"]


def test_parameters_of_the_report() -> None:
    rules = {one.NAME: one for one in make_report_rules({
        "cpubottleneck_CPU_threshold": "80", "opt_out_telemetry": "True", "scan_interval_us": "30000000",
    })}  # fmt: skip
    assert rules["CPUBottleneck"].parameters.cpu_threshold == 80.0
    assert rules["LowGPUUtilization"].parameters.scan_interval_us == 30_000_000
    with pytest.raises(InvalidRequest, match="CPUBottleneck_cpu_threshold"):
        make_report_rules({"CPUBottleneck_cpu_treshold": "80"})
    with pytest.raises(InvalidRequest, match="from 0 to 100"):
        make_report_rules({"CPUBottleneck_cpu_threshold": "180"})
    with pytest.raises(NotFound, match="BatchSize"):
        make_profiler_rule("BatchSizes")


def test_a_rule_that_crashes_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> Judgement:
        raise ArithmeticError("no")

    monkeypatch.setattr(PROFILER_RULES["BatchSize"], "judge", crash)
    judgements = {one.rule: one for one in judge_profile(ON_CPU.write(tmp_path), make_report_rules())}
    assert judgements["BatchSize"].status is RuleStatus.ERROR
    assert "ArithmeticError" in judgements["BatchSize"].missing
    assert judgements["Dataloader"].status is RuleStatus.NO_ISSUES_FOUND
