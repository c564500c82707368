"""The image of SageMaker's image-classification: trained and tuned by Tintype's trainer."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from tests.web.api.serving import BUCKET, ROLE, Api
from tests.web.api.test_endpoints import configure, settled, variant
from tests.web.api.test_training_jobs import channel, log_of

BUILT_IN = "811284229777.dkr.ecr.us-east-1.amazonaws.com/image-classification:1"
SMALL = {
    "num_layers": "20", "image_shape": "3,32,32", "num_classes": "2", "num_training_samples": "24", "epochs": "2",
    "mini_batch_size": "8", "optimizer": "adam", "learning_rate": "0.01",
}  # fmt: skip


def put_images(api: Api) -> None:
    """Dark images and bright ones."""
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("validation", 4)):
        for label, brightness in (("dark", 40), ("bright", 210)):
            for number in range(count):
                pixels = (random.integers(0, 40, (32, 32, 3)) + brightness).astype("uint8")
                stream = io.BytesIO()
                Image.fromarray(pixels).save(stream, "JPEG")
                api.put(f"brightness/{split}/{label}/{number}.jpg", stream.getvalue())


def test_the_built_in_algorithm_is_trained_and_its_metric_tuned(api: Api) -> None:
    put_images(api)
    inputs = [
        channel(api, split, f"brightness/{split}/") | {"ContentType": "application/x-image"}
        for split in ("train", "validation")
    ]
    algorithm = {"TrainingInputMode": "File", "TrainingImage": BUILT_IN}
    objective = {"Type": "Maximize", "MetricName": "validation:accuracy"}
    ranges = {"CategoricalParameterRanges": [{"Name": "optimizer", "Values": ["sgd", "adam"]}]}
    api.sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="built-in-1",
        HyperParameterTuningJobConfig={
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": objective,
            "ResourceLimits": {"MaxParallelTrainingJobs": 1},
            "ParameterRanges": ranges,
        },
        TrainingJobDefinition={
            "StaticHyperParameters": {name: value for name, value in SMALL.items() if name != "optimizer"},
            "AlgorithmSpecification": algorithm,
            "RoleArn": ROLE,
            "InputDataConfig": inputs,
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/built-in"},
            "ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
    )
    tuned = api.tuned("built-in-1")
    assert tuned["HyperParameterTuningJobStatus"] == "Completed", tuned
    assert tuned["TrainingJobStatusCounters"]["Completed"] == 2
    best = api.sagemaker.describe_training_job(TrainingJobName=tuned["BestTrainingJob"]["TrainingJobName"])
    assert {"train:accuracy", "validation:accuracy"} <= {one["MetricName"] for one in best["FinalMetricDataList"]}
    log = log_of(api, best["TrainingJobName"])
    assert "Tintype's own trainer" in log
    assert "num_classes=2 has no meaning here" in log
    with tarfile.open(api.bucket / "built-in" / best["TrainingJobName"] / "output" / "model.tar.gz") as bundle:
        assert any(name.endswith(".safetensors") or name.endswith(".onnx") for name in bundle.getnames())
    answered_as_on_aws(api, best["ModelArtifacts"]["S3ModelArtifacts"])


def answered_as_on_aws(api: Api, url: str) -> None:
    """A picture's answer is the list of its probabilities, whatever JSON is asked for."""
    container = {"Image": BUILT_IN, "ModelDataUrl": url}
    api.sagemaker.create_model(ModelName="built-in", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    configure(api, "built-in", variant("built-in"))
    api.sagemaker.create_endpoint(EndpointName="built-in", EndpointConfigName="built-in")
    try:
        assert settled(api, "built-in")["EndpointStatus"] == "InService"
        stream = io.BytesIO()
        Image.new("RGB", (32, 32), (220, 220, 220)).save(stream, "PNG")
        for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
            answer = api.client("sagemaker-runtime").invoke_endpoint(
                EndpointName="built-in", ContentType="application/x-image", Body=stream.getvalue(), **accept
            )
            scores = json.loads(answer["Body"].read())
            assert len(scores) == 2
            assert sum(scores) == pytest.approx(1, abs=1e-3)
    finally:
        api.sagemaker.delete_endpoint(EndpointName="built-in")


def test_what_the_algorithm_does_not_know_fails_the_job(api: Api) -> None:
    put_images(api)
    request = api.training("built-in-2", "", InputDataConfig=[channel(api, "train", "brightness/train/")])
    request |= {
        "HyperParameters": {**SMALL, "nonsense": "1"},
        "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": BUILT_IN},
    }
    api.sagemaker.create_training_job(**request)
    ended = api.ended("built-in-2")
    assert ended["TrainingJobStatus"] == "Failed"
    assert "no hyperparameter 'nonsense'" in ended["FailureReason"]
