"""Tuning jobs through boto3."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.jobs.running_engine import until
from tests.web.api.serving import BUCKET, IMAGE, ROLE, Api
from tests.web.api.test_training_jobs import log_of, refused

OBJECTIVE = "average test loss"
SCRIPT = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--learningRate", type=float)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--epochs", type=int)
    given = parser.parse_args()
    print(f"Test set: Average loss: {abs(given.learningRate - 0.01) + given.batch_size / 1000:.6f}.")
"""
RANGES: dict[str, Any] = {
    "ContinuousParameterRanges": [
        {"Name": "learningRate", "MinValue": "0.001", "MaxValue": "0.1", "ScalingType": "Auto"}
    ],
    "CategoricalParameterRanges": [{"Name": "batch-size", "Values": ['"32"', '"64"']}],
    "IntegerParameterRanges": [{"Name": "epochs", "MinValue": "2", "MaxValue": "4", "ScalingType": "Auto"}],
}


def tuning(api: Api, name: str, script: str = SCRIPT, ranges: Any = RANGES, **members: Any) -> dict[str, Any]:
    """A CreateHyperParameterTuningJob request as the SDK would make it."""
    configuration = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": OBJECTIVE},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": ranges,
        "TrainingJobEarlyStoppingType": "Off",
        **members.pop("HyperParameterTuningJobConfig", {}),
    }
    metrics = [{"Name": OBJECTIVE, "Regex": "Test set: Average loss: ([0-9\\.]+)"}]
    definition = {
        "StaticHyperParameters": {**api.script_mode(script), "sagemaker_estimator_class_name": '"PyTorch"'},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/tuned"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        "HyperParameterTuningResourceConfig": {
            "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30,
        },
        "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": IMAGE, "MetricDefinitions": metrics},
        **members.pop("TrainingJobDefinition", {}),
    }  # fmt: skip
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": configuration,
        "TrainingJobDefinition": definition,
        **members,
    }


@pytest.fixture(scope="session")
def tuned(api: Api) -> dict[str, Any]:
    """The description of a tuning job of four trials."""
    request = tuning(api, "pytorch-training-260131-1200", Tags=[{"Key": "team", "Value": "dogs"}])
    arn = api.sagemaker.create_hyper_parameter_tuning_job(**request)["HyperParameterTuningJobArn"]
    assert arn.endswith(":hyper-parameter-tuning-job/pytorch-training-260131-1200")
    name = request["HyperParameterTuningJobName"]
    first = api.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert first["HyperParameterTuningJobStatus"] == "InProgress"
    return api.tuned("pytorch-training-260131-1200")


def test_a_tuning_job_comes_to_its_end(tuned: dict[str, Any]) -> None:
    assert tuned["HyperParameterTuningJobStatus"] == "Completed", tuned.get("FailureReason")
    assert tuned["TrainingJobStatusCounters"] == {
        "Completed": 4, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0,
    }  # fmt: skip
    assert tuned["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    assert tuned["CreationTime"] < tuned["HyperParameterTuningEndTime"]
    assert "OverallBestTrainingJob" not in tuned


def test_what_attach_needs_is_in_the_description(tuned: dict[str, Any]) -> None:
    definition = tuned["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"]["_tuning_objective_metric"] == f'"{OBJECTIVE}"'
    assert definition["ResourceConfig"]["InstanceType"] == "ml.m5.large"
    assert definition["AlgorithmSpecification"]["MetricDefinitions"][0]["Name"] == OBJECTIVE
    assert definition["OutputDataConfig"]["KmsKeyId"] == ""
    configuration = tuned["HyperParameterTuningJobConfig"]
    assert configuration["TrainingJobEarlyStoppingType"] == "Off"
    assert configuration["ParameterRanges"] == RANGES


def test_the_best_trial_is_a_training_job(api: Api, tuned: dict[str, Any]) -> None:
    best = tuned["BestTrainingJob"]
    assert re.fullmatch(r"pytorch-training-260131-1200-00\d-[0-9a-f]{8}", best["TrainingJobName"])
    assert best["TunedHyperParameters"]["batch-size"] in ('"32"', '"64"')
    assert best["TunedHyperParameters"]["epochs"] in ("2", "3", "4")
    assert 0.001 <= float(best["TunedHyperParameters"]["learningRate"]) <= 0.1
    job = api.sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    given = job["HyperParameters"]
    assert {name: given[name] for name in best["TunedHyperParameters"]} == best["TunedHyperParameters"]
    assert given["_tuning_objective_metric"] == f'"{OBJECTIVE}"'
    assert given["sagemaker_program"] == '"train.py"'
    assert job["TuningJobArn"] == tuned["HyperParameterTuningJobArn"]
    assert job["RoleArn"] == ROLE
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert [(one["MetricName"], one["Value"]) for one in job["FinalMetricDataList"]] == [
        (OBJECTIVE, pytest.approx(value)), ("ObjectiveMetric", pytest.approx(value)),
    ]  # fmt: skip
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/tuned/{job['TrainingJobName']}/output/model.tar.gz"
    assert api.sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"] == []


def test_trials_are_listed_by_name_and_by_value(api: Api, tuned: dict[str, Any]) -> None:
    name = tuned["HyperParameterTuningJobName"]
    pages = api.sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=name, PaginationConfig={"PageSize": 3}
    )
    found = [page["TrainingJobSummaries"] for page in pages]
    assert [len(page) for page in found] == [3, 1]
    assert [one["TrainingJobName"][:32] for page in found for one in page] == [f"{name}-{i:03d}" for i in range(1, 5)]
    by_value = api.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, SortBy="FinalObjectiveMetricValue", SortOrder="Descending"
    )["TrainingJobSummaries"]
    values = [one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for one in by_value]
    assert values == sorted(values, reverse=True)
    assert by_value[-1]["TrainingJobName"] == tuned["BestTrainingJob"]["TrainingJobName"]
    assert all(one["ObjectiveStatus"] == "Succeeded" for one in by_value)
    assert all(one["TrainingStartTime"] <= one["TrainingEndTime"] for one in by_value)
    failed = api.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, StatusEquals="Failed"
    )
    assert failed["TrainingJobSummaries"] == []


def test_tuning_jobs_are_listed(api: Api, tuned: dict[str, Any]) -> None:
    found = api.sagemaker.list_hyper_parameter_tuning_jobs(NameContains="260131", StatusEquals="Completed")
    (one,) = found["HyperParameterTuningJobSummaries"]
    assert one["Strategy"] == "Bayesian"
    assert one["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 4
    assert api.sagemaker.list_hyper_parameter_tuning_jobs(NameContains="260131", StatusEquals="Failed")[
        "HyperParameterTuningJobSummaries"
    ] == []


def test_a_warm_start_knows_the_best_of_all(api: Api, tuned: dict[str, Any]) -> None:
    parent = {"HyperParameterTuningJobName": tuned["HyperParameterTuningJobName"]}
    limits = {"ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}, "Strategy": "Random"}
    warm = {"ParentHyperParameterTuningJobs": [parent], "WarmStartType": "IdenticalDataAndAlgorithm"}
    api.sagemaker.create_hyper_parameter_tuning_job(
        **tuning(api, "warm-1", HyperParameterTuningJobConfig=limits, WarmStartConfig=warm)
    )
    ended = api.tuned("warm-1")
    assert ended["WarmStartConfig"] == warm
    overall, own = (
        ended[member]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for member in ("OverallBestTrainingJob", "BestTrainingJob")
    )
    theirs = tuned["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert overall == min(own, theirs)


def test_a_grid_tries_every_combination(api: Api) -> None:
    ranges = {"CategoricalParameterRanges": [
        {"Name": "learningRate", "Values": ['"0.01"', '"0.1"']}, {"Name": "batch-size", "Values": ['"32"']},
    ]}  # fmt: skip
    configuration = {"Strategy": "Grid", "ResourceLimits": {"MaxParallelTrainingJobs": 2}}
    request = tuning(api, "grid-1", ranges=ranges, HyperParameterTuningJobConfig=configuration)
    api.sagemaker.create_hyper_parameter_tuning_job(**request)
    ended = api.tuned("grid-1")
    assert ended["TrainingJobStatusCounters"]["Completed"] == 2
    assert ended["BestTrainingJob"]["TunedHyperParameters"] == {"learningRate": '"0.01"', "batch-size": '"32"'}
    assert ended["HyperParameterTuningJobConfig"]["ParameterRanges"]["IntegerParameterRanges"] == []


def test_when_all_fail_the_tuning_job_does(api: Api) -> None:
    limits = {"ResourceLimits": {"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 2}}
    request = tuning(api, "hopeless-1", "import sys; sys.exit(3)", HyperParameterTuningJobConfig=limits)
    api.sagemaker.create_hyper_parameter_tuning_job(**request)
    ended = api.tuned("hopeless-1")
    assert ended["HyperParameterTuningJobStatus"] == "Failed"
    assert ended["FailureReason"].startswith("No training job succeeded after ")
    assert "Please take a look at the training job failures" in ended["FailureReason"]
    assert ended["TrainingJobStatusCounters"]["NonRetryableError"] >= 5
    assert "BestTrainingJob" not in ended


def test_a_metric_that_is_never_said_is_a_failed_objective(api: Api) -> None:
    limits = {"ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}}
    api.sagemaker.create_hyper_parameter_tuning_job(
        **tuning(api, "silent-1", "print('nothing')", HyperParameterTuningJobConfig=limits)
    )
    ended = api.tuned("silent-1")
    assert ended["TrainingJobStatusCounters"]["Completed"] == 1
    assert ended["ObjectiveStatusCounters"]["Failed"] == 1
    assert OBJECTIVE in ended["FailureReason"]


EPOCHS, TRIALS = 3, 9
SLOW = """
    import argparse, time
    parser = argparse.ArgumentParser()
    parser.add_argument("--learningRate", type=float)
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    for epoch in range(1, given.epochs + 1):
        print(f"Test set: Average loss: {given.learningRate + 1 / epoch:.6f}", flush=True)
        time.sleep(0.4)
    print("trained to the end")
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "wanted",
    [
        {
            "Strategy": "Hyperband",
            "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": EPOCHS}},
        },
        {"Strategy": "Random", "TrainingJobEarlyStoppingType": "Auto"},
    ],
    ids=["hyperband", "auto"],
)
def test_trials_that_are_not_worth_it_are_stopped(api: Api, wanted: dict[str, Any]) -> None:
    name = f"early-{wanted['Strategy'].lower()}"
    ranges = {"ContinuousParameterRanges": [
        {"Name": "learningRate", "MinValue": "0.0", "MaxValue": "5.0", "ScalingType": "Linear"},
    ]}  # fmt: skip
    limits = {"MaxNumberOfTrainingJobs": TRIALS, "MaxParallelTrainingJobs": 1}
    configuration = {"ResourceLimits": limits, "RandomSeed": 1, **wanted}
    api.sagemaker.create_hyper_parameter_tuning_job(
        **tuning(api, name, SLOW, ranges, HyperParameterTuningJobConfig=configuration)
    )
    ended = api.tuned(name)
    counters = ended["TrainingJobStatusCounters"]
    assert ended["HyperParameterTuningJobStatus"] == "Completed", ended.get("FailureReason")
    assert counters["Stopped"] >= 1
    assert counters["Stopped"] + counters["Completed"] == TRIALS
    trials = api.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, MaxResults=100
    )["TrainingJobSummaries"]
    values, cut_short = {}, 0
    for trial in trials:
        is_whole = "trained to the end" in log_of(api, trial["TrainingJobName"])
        cut_short += not is_whole               # one may have come to its end in the moment in which it was stopped
        assert is_whole or trial["TrainingJobStatus"] == "Stopped"
        rate = float(trial["TunedHyperParameters"]["learningRate"])
        values.setdefault(trial["TrainingJobStatus"], []).append(rate)
        assert trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] > rate       # a stopped one keeps its last
    assert cut_short >= 1
    assert min(values["Completed"]) < min(values["Stopped"])
    assert float(ended["BestTrainingJob"]["TunedHyperParameters"]["learningRate"]) == min(values["Completed"])


def test_stopping_a_tuning_job_stops_its_trials(api: Api) -> None:
    script = "import time; print('Test set: Average loss: 1.0', flush=True); time.sleep(600)"
    api.sagemaker.create_hyper_parameter_tuning_job(**tuning(api, "endless-1", script))
    name = {"HyperParameterTuningJobName": "endless-1"}
    list_trials = api.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job
    until(lambda: bool(list_trials(**name)["TrainingJobSummaries"]))
    code, _ = refused(api.sagemaker.delete_hyper_parameter_tuning_job, **name)
    assert code == "ResourceInUse"
    api.sagemaker.stop_hyper_parameter_tuning_job(**name)
    assert api.sagemaker.describe_hyper_parameter_tuning_job(**name)["HyperParameterTuningJobStatus"] in (
        "Stopping", "Stopped",
    )  # fmt: skip
    assert api.tuned("endless-1")["HyperParameterTuningJobStatus"] == "Stopped"
    code, message = refused(api.sagemaker.stop_hyper_parameter_tuning_job, **name)
    assert (code, "Stopped" in message) == ("ValidationException", True)
    jobs = list_trials(**name)["TrainingJobSummaries"]
    assert all(one["TrainingJobStatus"] == "Stopped" for one in jobs)
    api.sagemaker.delete_hyper_parameter_tuning_job(**name)
    assert refused(api.sagemaker.describe_hyper_parameter_tuning_job, **name)[0] == "ResourceNotFound"
    kept = api.sagemaker.describe_training_job(TrainingJobName=jobs[0]["TrainingJobName"])
    assert json.loads(kept["HyperParameters"]["sagemaker_program"]) == "train.py"


def test_what_cannot_be_tuned_is_refused(api: Api, tuned: dict[str, Any]) -> None:
    create = api.sagemaker.create_hyper_parameter_tuning_job
    assert refused(create, **tuning(api, tuned["HyperParameterTuningJobName"]))[0] == "ResourceInUse"
    assert refused(create, **tuning(api, "x" * 33))[0] == "ValidationException"
    other = {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "accuracy"}}
    code, message = refused(create, **tuning(api, "bad-1", HyperParameterTuningJobConfig=other))
    assert (code, OBJECTIVE in message) == ("ValidationException", True)
    unread = {"AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": IMAGE}}
    code, message = refused(create, **tuning(api, "bad-1", TrainingJobDefinition=unread))
    assert (code, "Provide a metric in the metric definitions" in message) == ("ValidationException", True)
    static = {"StaticHyperParameters": {**api.script_mode(SCRIPT), "epochs": "3"}}
    code, message = refused(create, **tuning(api, "bad-1", TrainingJobDefinition=static))
    assert (code, "epochs" in message) == ("ValidationException", True)
    ranges = {"ContinuousParameterRanges": [{"Name": "lr", "MinValue": "much", "MaxValue": "1"}]}
    code, message = refused(create, **tuning(api, "bad-1", ranges=ranges))
    assert (code, "'much'" in message) == ("ValidationException", True)
    hyperband = {"Strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"}
    code, message = refused(create, **tuning(api, "bad-1", HyperParameterTuningJobConfig=hyperband))
    assert (code, "early_stopping" in message) == ("ValidationException", True)
    nobody = [{"HyperParameterTuningJobName": "nobody"}]
    warm = {"ParentHyperParameterTuningJobs": nobody, "WarmStartType": "TransferLearning"}
    assert refused(create, **tuning(api, "bad-1", WarmStartConfig=warm))[0] == "ResourceNotFound"
    two = tuning(api, "bad-1")
    definition = two.pop("TrainingJobDefinition")
    code, message = refused(create, **two, TrainingJobDefinitions=[definition, definition])
    assert (code, "one here" in message) == ("ValidationException", True)
    name = {"HyperParameterTuningJobName": "bad-1"}
    assert refused(api.sagemaker.describe_hyper_parameter_tuning_job, **name)[0] == "ResourceNotFound"
