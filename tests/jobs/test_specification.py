"""What was asked for survives the record to the letter."""

from __future__ import annotations

import json

from tintype.jobs.job import Job, Phase, Status
from tintype.jobs.specification import (
    Channel,
    Checkpoint,
    Companion,
    JobSpec,
    MetricDefinition,
    Resources,
    Source,
)

FULL = JobSpec(
    source=Source("script", "hpo.py", "/src", ("--flag", "")),
    hyperparameters={"batch-size": '"32"', "lr": "0.1", "null": "null"},
    channels=(Channel("train", "s3://bucket/train", "FastFile", "image/png"), Channel("test", "/data")),
    output="s3://bucket/out",
    resources=Resources("ml.m5.large", 2, 1, 1 << 30, 0),
    environment={"A": "ä"},
    metric_definitions=(MetricDefinition("loss", r"loss: ([0-9\.]+)"),),
    max_runtime_seconds=5.5,
    checkpoint=Checkpoint("/opt/ml/checkpoints", "s3://bucket/c"),
    retries=3,
    tags={"team": "x"},
    debugger={"HookParameters": {"a": "b"}},
    rules=({"RuleConfigurationName": "Overfit"},),
    companions=(Companion("sampler", ("python", "-m", "x"), 5.0, {"B": "c"}),),
    warm=False,
)


def test_a_specification_survives_json() -> None:
    for spec in (FULL, JobSpec(Source("module", "tintype.training"))):
        assert JobSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_job_with_its_history_survives_json() -> None:
    job = Job("a", "/a", spec=FULL).entered(Phase.DOWNLOADING, at=1.0).entered(Phase.TRAINING, at=2.0)
    job = job.moved(Status.FAILED, at=3.0, reason="why")
    assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job
