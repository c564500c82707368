"""The SDK's third version: ModelTrainer, its tuner, ModelBuilder."""

import json
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter
from sagemaker.core.shapes import MetricDefinition
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.tuner import HyperparameterTuner

HERE = Path(__file__).parent
IMAGES = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
session = Session()
role = get_execution_role(sagemaker_session=session)
client = boto3.client("sagemaker")
data = session.upload_data(str(HERE / "jobs"), key_prefix="version3")


def trainer(script, **options):
    return ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image=f"{IMAGES}/pytorch-training:2.2.0-cpu-py310-ubuntu20.04-sagemaker",
        source_code=SourceCode(source_dir=str(HERE / "jobs"), entry_script=script),
        compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
        **options,
    )


told = trainer("told.py", base_job_name="told", hyperparameters={"epochs": 2, "lr": 0.5, "model_name": "resnet 18"})
told.with_metric_definitions([MetricDefinition(name="loss", regex="Test set: Average loss: ([0-9.]+)")])
told.train(input_data_config=[InputData(channel_name="train", data_source=data)])
name = told._latest_training_job.training_job_name
described = client.describe_training_job(TrainingJobName=name)
assert described["TrainingJobStatus"] == "Completed", described
assert described["HyperParameters"]["epochs"] == "2"
assert [round(metric["Value"], 2) for metric in described["FinalMetricDataList"]] == [1.0], described
log = boto3.client("logs").filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")
said = "\n".join(event["message"] for event in log["events"])
assert '"--model_name", "resnet 18"' in said, said
assert '"train"' in said, said

tuner = HyperparameterTuner(
    model_trainer=told,
    objective_metric_name="loss",
    hyperparameter_ranges={"lr": ContinuousParameter(0.01, 0.1), "batch-size": CategoricalParameter([32, 64])},
    metric_definitions=[{"Name": "loss", "Regex": "Test set: Average loss: ([0-9.]+)"}],
    objective_type="Minimize",
    max_jobs=2,
    max_parallel_jobs=2,
)
tuner.tune(inputs=[InputData(channel_name="train", data_source=data)])
described = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuner._current_job_name)
best = described["BestTrainingJob"]
assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] < 0.7, best

pickled = trainer("pickled.py", base_job_name="pickled")
pickled.train()
location = client.describe_training_job(TrainingJobName=pickled._latest_training_job.training_job_name)
builder = ModelBuilder(
    s3_model_data_url=location["ModelArtifacts"]["S3ModelArtifacts"],
    image_uri=f"{IMAGES}/pytorch-inference:2.2.0-cpu-py310-ubuntu20.04-sagemaker",
    source_code=SourceCode(source_dir=str(HERE / "jobs"), entry_script="endpoint.py"),
    sagemaker_session=session,
    role_arn=role,
    instance_type="ml.m5.large",
)
builder.build()
endpoint = builder.deploy(endpoint_name="version-3")
answer = endpoint.invoke(body=b"abc", content_type="image/jpeg")
assert json.loads(answer.body.read())["answer"] == {"bytes": 3}
endpoint.delete()
