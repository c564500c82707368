"""How long DescribeTrainingJob, a page of ListTrainingJobs and Search take with many jobs in the store, through boto3.

    python -m benchmarks describe_jobs [--jobs 10000] [--calls 300]

Prints medians in milliseconds, of the clock, and the processor time of the server for one call.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import psutil

from tintype.jobs.job import Job, JobSpec, MetricDefinition, Phase, Source, Status, Transition
from tintype.jobs.store import KIND
from tintype.records import Measurement, Records
from tintype.settings import Settings
from tintype.web.api.kept_requests import TRAINING_REQUEST
from tintype.web.keys import home_key

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:1.8-gpu-py36"


def _filter(name: str, operator: str, value: str) -> dict[str, Any]:
    one = {"Name": name, "Operator": operator, "Value": value}
    return {"Resource": "TrainingJob", "SearchExpression": {"Filters": [one]}}


# What the store looks up; what needs a look at the job; what needs a look at what was asked; what needs to see all.
SEARCHES: dict[str, dict[str, Any]] = {
    "newest": {"Resource": "TrainingJob", "SortBy": "CreationTime"},
    "by_name": _filter("TrainingJobName", "Contains", "99"),
    "by_phase_in_vain": _filter("SecondaryStatus", "Equals", "Failed"),
    "by_hyperparameter": _filter("HyperParameters.lr", "LessThan", "0.1"),
    "by_hyperparameter_in_vain": _filter("HyperParameters.lr", "GreaterThan", "0.1"),
    "sorted_by_metric": {"Resource": "TrainingJob", "SortBy": "Metrics.loss"},
}


def fill(records: Records, count: int) -> None:
    """Jobs that have ended, as the API leaves them."""
    for number in range(count):
        name, at = f"dog-breeds-{number:05d}", 1.8e9 + number
        hyperparameters = {"lr": "0.01", "batch-size": '"32"', "sagemaker_program": '"train.py"'}
        phases = (Phase.STARTING, Phase.DOWNLOADING, Phase.TRAINING, Phase.UPLOADING, Phase.COMPLETED)
        job = Job(
            name, f"/nowhere/{name}", hyperparameters, status=Status.COMPLETED, phase=Phase.COMPLETED,
            created_at=at, started_at=at + 1, ended_at=at + 60,
            spec=JobSpec(Source("script", "train.py", "/nowhere"), hyperparameters,
                         metric_definitions=(MetricDefinition("loss", "loss: ([0-9.]+)"),)),
            transitions=tuple(Transition(phase, "as it is", at, at + 1) for phase in phases),
        )  # fmt: skip
        records.create(KIND, name, job.to_json(), status=job.status)
        records.create(TRAINING_REQUEST, name, {
            "TrainingJobName": name, "HyperParameters": hyperparameters,
            "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": IMAGE},
            "RoleArn": "arn:aws:iam::000000000000:role/TintypeExecutionRole",
            "OutputDataConfig": {"S3OutputPath": "s3://sagemaker-us-east-1-000000000000/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        })  # fmt: skip
        records.measure(name, [Measurement("loss", step, 1 / (step + 1), at) for step in range(20)])


def milliseconds(call: Callable[[], object], calls: int, server: psutil.Process) -> dict[str, float]:
    """The median and the 99th percentile by the clock, and what a call costs the server's processor."""
    call()
    taken, before = [], sum(server.cpu_times()[:2])
    for _ in range(calls):
        start = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - start))
    cpu = 1000 * (sum(server.cpu_times()[:2]) - before) / calls
    return {"p50_ms": statistics.median(taken), "p99_ms": statistics.quantiles(taken, n=100)[98], "cpu_ms": cpu}


def main(arguments: list[str]) -> None:
    """Fill a store, start a server over it, ask."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=300)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = Settings(home=home)
        records = Records.open(settings.records_url)
        fill(records, given.jobs)
        records.close()
        command = [sys.executable, "-m", "tintype", "server", "--port", "0", "--home", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                url = until_it_says_where(home)
                key = home_key(home)
                client = boto3.client(
                    "sagemaker", endpoint_url=url, region_name="us-east-1",
                    aws_access_key_id=key.access_key_id, aws_secret_access_key=key.secret_access_key,
                )  # fmt: skip
                server, draw = psutil.Process(process.pid), random.Random(0)
                name = lambda: f"dog-breeds-{draw.randrange(given.jobs):05d}"  # noqa: E731
                found = {
                    "jobs": given.jobs,
                    "describe": milliseconds(
                        lambda: client.describe_training_job(TrainingJobName=name()), given.calls, server
                    ),
                    "list": milliseconds(lambda: client.list_training_jobs(MaxResults=10), given.calls, server),
                    "list_by_name": milliseconds(
                        lambda: client.list_training_jobs(NameContains="99", MaxResults=100), given.calls // 5, server
                    ),
                    **{
                        f"search_{what}": milliseconds(partial(client.search, **one), max(2, given.calls // 50), server)
                        for what, one in SEARCHES.items()
                    },
                }
            finally:
                process.send_signal(signal.SIGTERM)
    print(json.dumps(found, indent=1))


def until_it_says_where(home: Path) -> str:
    """The address of the server, once it has one."""
    path = home / "server" / "address.json"
    deadline = time.monotonic() + 60
    while not path.exists():
        if time.monotonic() > deadline:
            raise SystemExit("the server did not start")
        time.sleep(0.1)
    return str(json.loads(path.read_text())["url"])


if __name__ == "__main__":
    main(sys.argv[1:])
