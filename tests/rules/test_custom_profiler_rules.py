"""Rules over profiles that users wrote for smdebug: in slices, by themselves, faulty ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rules.profiles import COMPUTING, Told
from tintype.errors import InvalidRequest, NotFound
from tintype.pipeline.profiling import profiling_asked, split_rules
from tintype.profiler.readers import JobProfile, open_profile
from tintype.reports.profiler_job import main
from tintype.rules.custom_profiler import load_custom_profiler_rule
from tintype.rules.profiler_catalogue import judge_profile
from tintype.rules.profiler_configuration import parse_sagemaker_profiler_rules
from tintype.rules.profiler_rule import Judgement
from tintype.rules.rule_output import read_states
from tintype.rules.status import RuleStatus

RULES = '''
import numpy as np
from smdebug.exceptions import RuleEvaluationConditionMet
from smdebug.rules.rule import Rule


class HotCores(Rule):
    def __init__(self, base_trial, threshold=90, scan_interval_us=10 * 1000 * 1000):
        super().__init__(base_trial)
        self.threshold, self.scan_interval_us = float(threshold), float(scan_interval_us)

    def invoke_at_step(self, step):
        pass

    def invoke_for_timerange(self, timestamp_start, timestamp_end, sys_events=None, framework_events=None):
        events = sys_events or self.base_trial.get_system_metrics(timestamp_start, timestamp_end)
        hot = [one.value for one in events if one.dimension == "CPUUtilization" and one.value > self.threshold]
        self.report["Datapoints"] += len(events)
        self.report["Violations"] += len(hot)
        self.report["Details"] = {np.int64(1): np.float32(max(hot, default=0))}
        return bool(hot)


class SlowSteps(Rule):
    """As SageMaker's own are: it walks by itself, until there is no more."""

    def __init__(self, base_trial, scan_interval_us=60 * 1000 * 1000):
        super().__init__(base_trial)
        self.scan_interval_us, self.last_timestamp = scan_interval_us, self.base_trial.first_timestamp

    def invoke_at_step(self, step):
        pass

    def invoke(self, step):
        until = self.last_timestamp + self.scan_interval_us
        self.base_trial.wait_for_data(until, self.last_timestamp)
        steps = self.base_trial.get_framework_metrics(self.last_timestamp, until)
        self.last_timestamp = until
        if any(one.event_name == "Step:ModeKeys.TRAIN" and one.duration > 50_000 for one in steps):
            raise RuleEvaluationConditionMet(self.rule_name, step)


class Broken(Rule):
    def invoke_at_step(self, step):
        pass

    def invoke_for_timerange(self, start, end):
        raise ZeroDivisionError("of its own")


class OverTensors(Rule):
    def invoke_at_step(self, step):
        return True
'''


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "my_rules.py").write_text(RULES)
    return str(tmp_path / "my_rules.py")


def profile(root: Path, **parts: object) -> JobProfile:
    return Told(seconds=40, steps=400, phases=COMPUTING, **parts).write(root)       # type: ignore[arg-type]


def judged(job: JobProfile, source: str, name: str, scratch: Path, **parameters: str) -> Judgement:
    return judge_profile(job, (load_custom_profiler_rule(source, name, parameters, scratch),))[0]


def test_a_rule_is_given_the_profile_in_slices(tmp_path: Path, source: str) -> None:
    job = profile(tmp_path / "job", cpu=lambda n: 99.0 if 30 <= n < 35 else 20.0)
    found = judged(job, source, "HotCores", tmp_path, threshold="95")
    assert (found.rule, found.triggered, found.violations, found.missing) == ("HotCores", 1, 5 * 4, "")
    assert found.findings[0].message == "the condition of HotCores was met once"
    assert json.loads(json.dumps(found.to_sagemaker()))["Details"] == {"1": 0.0}
    assert not judged(job, source, "HotCores", tmp_path, threshold="99.5").triggered


def test_a_rule_that_walks_by_itself_ends_with_the_profile(tmp_path: Path, source: str) -> None:
    found = judged(profile(tmp_path / "job"), source, "SlowSteps", tmp_path)
    assert found.triggered == 1
    assert found.status is RuleStatus.ISSUES_FOUND


def test_a_job_that_was_killed_is_not_waited_for(tmp_path: Path, source: str) -> None:
    job = profile(tmp_path / "job")
    for marker in job.root.rglob("training_job_end.ts"):
        marker.unlink()
    assert judged(open_profile(job.root), source, "SlowSteps", tmp_path).triggered == 1
    (tmp_path / "nothing").mkdir()
    assert judged(open_profile(tmp_path / "nothing"), source, "HotCores", tmp_path).missing == "nothing was recorded"


def test_a_fault_is_the_rules_own(tmp_path: Path, source: str) -> None:
    for name, said in (("Broken", "of its own"), ("OverTensors", "crashed")):
        found = judged(profile(tmp_path / name), source, name, tmp_path)
        assert found.status is RuleStatus.ERROR
        assert said in found.missing
    with pytest.raises(InvalidRequest, match="treshold"):
        load_custom_profiler_rule(source, "HotCores", {"treshold": "1"}, tmp_path)
    with pytest.raises(NotFound, match="HotCores"):
        load_custom_profiler_rule(source, "HotCore", {}, tmp_path)


def test_a_job_is_judged_by_sagemakers_configuration_of_it(tmp_path: Path, source: str) -> None:
    profile(tmp_path / "job" / "profiler-output", cpu=99.0)
    entries = [
        {"RuleConfigurationName": name, "RuleEvaluatorImage": "any", "InstanceType": "ml.t3.medium",
         "RuleParameters": {"rule_to_invoke": rule, "source_s3_uri": file, "threshold": "90"}}
        for name, rule, file in (("mine", "HotCores", source), ("gone", "HotCores", str(tmp_path / "gone.py")))
    ]  # fmt: skip
    rules = parse_sagemaker_profiler_rules(entries)
    config = tmp_path / "job" / "input" / "config"
    config.mkdir(parents=True)
    (config / "profilerrules.json").write_text(json.dumps([one.to_json() for one in rules]))
    assert main(["--job-directory", str(tmp_path / "job"), "--once"]) == 0
    found = {one.name: one for one in read_states(tmp_path / "job" / "rule-output")}
    assert found["mine"].status is RuleStatus.ISSUES_FOUND, found
    assert found["gone"].status is RuleStatus.ERROR
    assert "there is no rule file" in found["gone"].details


def test_the_command_line_has_a_file_too(tmp_path: Path, source: str) -> None:
    assert split_rules([f"{source}:HotCores:threshold=80", "Overfit"]) == (
        ["Overfit"], [f"{source}:HotCores:threshold=80"],
    )  # fmt: skip
    [rule] = profiling_asked(None, [f"{source}:HotCores:threshold=80"]).rules
    assert (rule.name, rule.source, rule.parameters) == ("HotCores", source, {"threshold": "80"})
    with pytest.raises(InvalidRequest, match=r"OverTensors in my_rules\.py is no rule over profiles"):
        profiling_asked(None, [f"{source}:OverTensors"])
    with pytest.raises(NotFound, match="there is no rule file"):
        profiling_asked(None, ["nowhere.py:HotCores"])
    with pytest.raises(NotFound, match="HotCores"):
        profiling_asked(None, [f"{source}:HotCore"])
