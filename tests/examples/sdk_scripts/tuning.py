"""Tuning jobs, in ways in which people ask for them."""

from pathlib import Path

import boto3
import sagemaker
from sagemaker.analytics import HyperparameterTuningJobAnalytics
from sagemaker.pytorch import PyTorch
from sagemaker.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner, IntegerParameter

HERE = Path(__file__).parent
METRICS = [{"Name": "Average Test Loss", "Regex": "Test set: Average loss: ([0-9\\.]+)"}]
session = sagemaker.Session()
client = boto3.client("sagemaker")
data = session.upload_data(str(HERE / "jobs"), key_prefix="tuned")
estimator = PyTorch(
    entry_point=str(HERE / "jobs" / "told.py"), role=sagemaker.get_execution_role(), instance_count=1,
    instance_type="ml.g4dn.12xlarge", framework_version="1.13.1", py_version="py39", base_job_name="hpo_tuning",
    hyperparameters={"model_name": "resnet18"},
)
ranges = {
    "lr": ContinuousParameter(0.001, 0.1, scaling_type="Logarithmic"),
    "batch-size": CategoricalParameter([32, 64, 128]),
    "epochs": IntegerParameter(2, 4),
}

# more at once than there are cores
tuner = HyperparameterTuner(
    estimator, "Average Test Loss", ranges, METRICS, max_jobs=5, max_parallel_jobs=4, objective_type="Minimize",
    early_stopping_type="Auto",
)
tuner.fit({"training": data}, wait=False)
name = tuner.latest_tuning_job.name
again = HyperparameterTuner.attach(name)
assert again.objective_metric_name == "Average Test Loss"
again.wait()
described = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
assert described["HyperParameterTuningJobStatus"] == "Completed", described
assert described["TrainingJobStatusCounters"]["Completed"] + described["TrainingJobStatusCounters"]["Stopped"] == 5

frame = again.analytics().dataframe()
assert len(frame) == 5, frame
assert {"lr", "batch-size", "epochs", "TrainingJobName", "FinalObjectiveValue"} <= set(frame.columns), frame.columns
assert frame["FinalObjectiveValue"].notna().all(), frame
best = frame.sort_values("FinalObjectiveValue").iloc[0]
assert again.best_training_job() == best["TrainingJobName"]
assert len(HyperparameterTuningJobAnalytics(name).dataframe()) == 5

found = again.best_estimator()
hyperparameters = found.hyperparameters()
print(hyperparameters)
assert hyperparameters["batch-size"] in ('"32"', '"64"', '"128"')
assert hyperparameters["_tuning_objective_metric"].strip('"') == "Average Test Loss"
assert hyperparameters["sagemaker_program"] == '"told.py"'
assert int(hyperparameters["epochs"]) in (2, 3, 4)
assert 0.001 <= float(hyperparameters["lr"]) <= 0.1
assert found.latest_training_job.name == best["TrainingJobName"]
assert all(one.startswith(f"{name}-0") for one in frame["TrainingJobName"])

# one after the other, the most of something, without the metadata of classes
estimator.set_hyperparameters(epochs=2)
other = HyperparameterTuner(
    estimator, "accuracy", {"lr": ContinuousParameter(0.01, 0.1)},
    [{"Name": "accuracy", "Regex": "\\(([0-9]+)%\\)"}], max_jobs=2, objective_type="Maximize",
    base_tuning_job_name="accuracy", strategy="Random",
)
other.fit({"training": data}, include_cls_metadata=False)
described = other.describe()
assert described["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 50.0
assert other.latest_tuning_job.name.startswith("accuracy-")

# a metric that is never seen fails the tuning job, which says so
lost = HyperparameterTuner(
    estimator, "f1", {"lr": ContinuousParameter(0.01, 0.1)}, [{"Name": "f1", "Regex": "F1: ([0-9]+)"}], max_jobs=1,
    objective_type="Maximize", base_tuning_job_name="lost",
)
lost.fit({"training": data}, wait=False)
try:
    lost.wait()
except Exception as error:
    print("said:", error)
described = lost.describe()
assert described["HyperParameterTuningJobStatus"] == "Failed", described
assert described["ObjectiveStatusCounters"]["Failed"] == 1, described
try:
    lost.best_training_job()
except Exception as error:
    print("said:", error)
else:
    raise AssertionError("a best job where none was")

# one that is stopped
estimator.set_hyperparameters(epochs=2)
stopped = HyperparameterTuner(
    estimator, "Average Test Loss", {"lr": ContinuousParameter(0.01, 0.1)}, METRICS, max_jobs=50,
    base_tuning_job_name="stopped", objective_type="Minimize",
)
stopped.fit({"training": data}, wait=False)
stopped.stop_tuning_job()
try:
    stopped.wait()
except Exception as error:
    print("said:", error)
assert stopped.describe()["HyperParameterTuningJobStatus"] == "Stopped"
