"""Training jobs, in ways in which people ask for them."""

import tarfile
import time
from pathlib import Path

import boto3
import sagemaker
from sagemaker.analytics import TrainingJobAnalytics
from sagemaker.debugger import DebuggerHookConfig
from sagemaker.estimator import Estimator
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.inputs import TrainingInput
from sagemaker.pytorch import PyTorch
from sagemaker.s3 import S3Downloader

HERE = Path(__file__).parent
METRICS = [{"Name": "average test loss", "Regex": "Test set: Average loss: ([0-9\\.]+)"}]
session = sagemaker.Session()
client = boto3.client("sagemaker")
role = sagemaker.get_execution_role()
assert role.startswith("arn:aws:iam::"), role
bucket = session.default_bucket()
data = session.upload_data(str(HERE / "jobs"), bucket=bucket, key_prefix="some/images")


def estimator(**options):
    told = {
        "entry_point": str(HERE / "jobs" / "told.py"), "role": role, "instance_count": 1, "framework_version": "1.8",
        "instance_type": "ml.m5.large", "py_version": "py36", "metric_definitions": METRICS, **options,
    }
    return PyTorch(**told)


def log_of(job):
    logs = boto3.client("logs")
    streams = logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job}/", orderBy="LogStreamName"
    )["logStreams"]
    events = []
    for stream in streams:
        events += logs.get_log_events(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
    return "\n".join(event["message"] for event in events)


# every kind of hyperparameter, none of the extras, and looking by oneself until it is over
one = estimator(
    hyperparameters={
        "epochs": 3, "batch-size": "32", "lr": 0.5, "model_name": "resnet 18", "learningRate": "1e-3", "flag": True,
        "nothing": None, "sizes": [1, 2], "table": {"a": 1},
    },
    debugger_hook_config=False,
    disable_profiler=True,
    tags=[{"Key": "who", "Value": "ants and bees"}],
    environment={"WITH_A": "space and 'quotes'"},
    max_run=600,
)
one.fit({"train": data, "valid": TrainingInput(data, content_type="image/jpeg")}, wait=False)
name = one.latest_training_job.name
while (described := client.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
    time.sleep(0.3)
assert described["TrainingJobStatus"] == "Completed", described
assert "DebugHookConfig" not in described
assert described["ProfilerConfig"]["DisableProfiler"] is True
assert described["HyperParameters"]["batch-size"] == '"32"', described["HyperParameters"]
assert described["HyperParameters"]["lr"] == "0.5"
assert described["HyperParameters"]["flag"] == "true"
assert described["OutputDataConfig"]["S3OutputPath"] == f"s3://{bucket}/"
final = described["FinalMetricDataList"]
assert [round(metric["Value"], 3) for metric in final] == [0.833], final
said = log_of(name)
assert '"--batch-size", "32"' in said, said
assert '"--learningRate", "1e-3"' in said, said
assert '"--model_name", "resnet 18"' in said, said
assert "hook False" in said, said
assert 'channels ["train", "valid"]' in said or 'channels ["train","valid"]' in said, said
one.logs()

# its metrics over time
frame = TrainingJobAnalytics(name, ["average test loss"]).dataframe()
assert len(frame) and set(frame["metric_name"]) == {"average test loss"}, frame

# found again, in both ways, and with what it was asked
for attached in (PyTorch.attach(name), Estimator.attach(name)):
    assert attached.latest_training_job.name == name
    assert attached.model_data.endswith(f"{name}/output/model.tar.gz")
    assert int(attached.hyperparameters()["epochs"]) == 3
assert session.list_tags(described["TrainingJobArn"])[0] == {"Key": "who", "Value": "ants and bees"}

# two hosts, each of which trains; the hook saves at every step; other versions; no channels at all
two = estimator(instance_count=2, framework_version="2.2", py_version="py310", instance_type="ml.p3.2xlarge",
                debugger_hook_config=DebuggerHookConfig(hook_parameters={"save_interval": "1"}))
two.fit(wait=True)
said = log_of(two.latest_training_job.name)
assert "host algo-1" in said and "host algo-2" in said, said
S3Downloader.download(two.model_data, "two")
with tarfile.open("two/model.tar.gz") as archive:
    assert {Path(name).name for name in archive.getnames()} >= {"model-algo-1.txt", "model-algo-2.txt"}

# a plain string is the channel `training`; an old version; a name of one's own
named = estimator(framework_version="1.4.0", py_version="py3", base_job_name="Capitals-And-123")
named.fit(data, job_name="my-own-name", logs="None")
assert named.latest_training_job.name == "my-own-name"
assert 'channels ["training"]' in log_of("my-own-name")
try:
    named.fit(data, job_name="my-own-name")
except client.exceptions.ResourceInUse as error:
    print("refused:", error)
else:
    raise AssertionError("two jobs with one name")

# one that fails says why
failing = estimator(hyperparameters={"fail": True})
try:
    failing.fit(data)
except UnexpectedStatusException as error:
    assert "the loss is not a number" in str(error), error
    print("failed:", error)
else:
    raise AssertionError("it did not fail")

# one with an underscore in its name, which AWS refuses
try:
    estimator(base_job_name="hpo_tuning").fit(data)
except Exception as error:
    assert "failed to satisfy constraint" in str(error) or "pattern" in str(error), error
    print("refused:", error)
else:
    raise AssertionError("a job named with an underscore")
