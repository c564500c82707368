"""The image of SageMaker's image-classification: trained and tuned by Tintype's trainer."""

from __future__ import annotations

import io
import tarfile

import numpy as np
from PIL import Image

from tests.web.api.serving import BUCKET, ROLE, Api
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
