"""Training jobs through boto3: what is asked, what happens, what is told of it."""

from __future__ import annotations

import io
import json
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.web.api.serving import BUCKET, IMAGE, ROLE, SECONDS, Api
from tintype.pipeline.deletion import delete, of_training_job
from tintype.records import Records

LOSS = [{"Name": "average test loss", "Regex": "Test set: Average loss: ([0-9\\.]+)"}]

TRAINS = """
    import argparse, json, os, sys
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--data-dir", default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--output-data-dir", default=os.environ["SM_OUTPUT_DATA_DIR"])
    given = parser.parse_args()
    print("lr", given.lr, "batch", given.batch_size, "files", sorted(os.listdir(given.data_dir)))
    print("gpus", os.environ["SM_NUM_GPUS"], "visible", repr(os.environ.get("CUDA_VISIBLE_DEVICES")))
    open(os.path.join(given.data_dir, "mine.txt"), "w").write("a channel can be written to")
    for value in ("2.5", "0.53."):
        print(f"Test set: Average loss: {value}")
    print("Test set: Average loss: 0.25", file=sys.stderr)
    open(os.path.join(given.model_dir, "model.pth"), "w").write("weights")
    open(os.path.join(given.output_data_dir, "curve.csv"), "w").write("1,2")
"""


def channel(api: Api, name: str, prefix: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}", "S3DataDistributionType": "FullyReplicated",
    }  # fmt: skip
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def log_of(api: Api, name: str) -> str:
    return (api.workspace.job_directory(name) / "logs" / "training.log").read_text()


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error: Any = caught.value.response.get("Error")
    return error["Code"], error["Message"]


@pytest.fixture(scope="session")
def trained(api: Api) -> dict[str, Any]:
    """The description of a job that has had everything."""
    api.put("dogs/train/1.jpg", b"1")
    api.put("dogs/valid/2.jpg", b"2")
    request = api.training(
        "dogs-2026-01-31-12-00-00-000",
        TRAINS,
        HyperParameters={"lr": '"0.001"', "batch-size": '"32"'},
        AlgorithmSpecification={"MetricDefinitions": LOSS, "EnableSageMakerMetricsTimeSeries": True},
        InputDataConfig=[channel(api, "training", "dogs")],
        ResourceConfig={"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        Environment={"MINE": "yes"},
        Tags=[{"Key": "team", "Value": "dogs"}],
        DebugHookConfig={"S3OutputPath": f"s3://{BUCKET}/", "CollectionConfigurations": []},
        DebugRuleConfigurations=[
            {
                "RuleConfigurationName": "Mine",
                "RuleEvaluatorImage": "503895931360.dkr.ecr.us-east-1.amazonaws.com/sagemaker-debugger-rules:latest",
                "RuleParameters": {"rule_to_invoke": "LossNotDecreasing", "tensor_regex": "x", "mode": "TRAIN"},
            }
        ],
    )
    arn = api.sagemaker.create_training_job(**request)["TrainingJobArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:000000000000:training-job/dogs-2026-01-31-12-00-00-000"
    return api.ended(request["TrainingJobName"])


def test_a_script_is_run_as_sagemaker_runs_it(api: Api, trained: dict[str, Any]) -> None:
    assert trained["TrainingJobStatus"] == "Completed", trained.get("FailureReason")
    log = log_of(api, trained["TrainingJobName"])
    assert "lr 0.001 batch 32 files ['train', 'valid']" in log
    assert "gpus 0 visible ''" in log
    assert not (api.bucket / "dogs" / "mine.txt").exists()


def test_the_log_says_what_really_runs(api: Api, trained: dict[str, Any]) -> None:
    first, second, *_ = log_of(api, trained["TrainingJobName"]).splitlines()
    assert "the image pytorch-training:1.8-gpu-py36 is not pulled: the job runs on Python 3." in first
    assert "ml.g4dn.xlarge is" in second
    assert "0 of 1 GPUs" in second


def test_the_description_gives_back_what_was_asked(trained: dict[str, Any]) -> None:
    assert trained["HyperParameters"]["lr"] == '"0.001"'
    assert trained["HyperParameters"]["batch-size"] == '"32"'
    assert trained["HyperParameters"]["sagemaker_program"] == '"train.py"'
    assert trained["OutputDataConfig"] == {
        "KmsKeyId": "", "S3OutputPath": f"s3://{BUCKET}/", "CompressionType": "GZIP",
    }  # fmt: skip
    assert trained["RoleArn"] == ROLE
    assert trained["AlgorithmSpecification"] == {
        "TrainingInputMode": "File",
        "TrainingImage": IMAGE,
        "MetricDefinitions": LOSS,
        "EnableSageMakerMetricsTimeSeries": True,
    }
    assert trained["InputDataConfig"][0]["CompressionType"] == "None"
    assert trained["Environment"] == {"MINE": "yes"}
    assert trained["DebugRuleConfigurations"][0]["VolumeSizeInGB"] == 0
    assert trained["ProfilingStatus"] == "Disabled"
    assert trained["EnableManagedSpotTraining"] is False


def test_the_description_tells_the_course_of_it(trained: dict[str, Any]) -> None:
    assert trained["SecondaryStatus"] == "Completed"
    transitions = trained["SecondaryStatusTransitions"]
    assert [one["Status"] for one in transitions] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert transitions[0]["StatusMessage"] == "Starting the training job"
    assert all(one["EndTime"] >= one["StartTime"] for one in transitions)
    assert trained["CreationTime"] <= trained["TrainingStartTime"] <= trained["TrainingEndTime"]
    assert trained["TrainingTimeInSeconds"] == trained["BillableTimeInSeconds"] >= 1


def test_the_last_value_of_either_stream_is_final(trained: dict[str, Any]) -> None:
    (metric,) = trained["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("average test loss", 0.25)


def test_final_metrics_are_numbers(api: Api) -> None:
    metrics = [{"Name": name, "Regex": f"{name}=(\\S+)"} for name in ("loss", "accuracy", "top")]
    script = "print('loss=nan accuracy=0.5'); print('top=inf')"
    ended = api.train("nan-1", script, AlgorithmSpecification={"MetricDefinitions": metrics})
    assert [(one["MetricName"], one["Value"]) for one in ended["FinalMetricDataList"]] == [("accuracy", 0.5)]


def test_outputs_are_objects_where_sagemaker_has_them(api: Api, trained: dict[str, Any]) -> None:
    name = trained["TrainingJobName"]
    uri = trained["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{BUCKET}/{name}/output/model.tar.gz"
    with tarfile.open(api.bucket / name / "output" / "model.tar.gz") as bundle:
        assert bundle.getnames() == ["model.pth"]
    with tarfile.open(api.bucket / name / "output" / "output.tar.gz") as bundle:
        assert bundle.getnames() == ["curve.csv"]
    assert (api.bucket / name / "debug-output" / "training_job_end.ts").is_file()
    assert json.loads((api.bucket / name / "rule-output" / "Mine" / "status.json").read_text())["name"] == "Mine"


def test_a_rule_is_called_as_its_configuration_is(trained: dict[str, Any]) -> None:
    (status,) = trained["DebugRuleEvaluationStatuses"]
    assert status["RuleConfigurationName"] == "Mine"
    assert status["RuleEvaluationStatus"] == "NoIssuesFound"
    assert status["StatusDetails"].startswith("nothing could be judged")        # the script saved no tensor
    assert ":processing-job/dogs-2026-01-31-12-00-00-0-mine-" in status["RuleEvaluationJobArn"]
    assert status["LastModifiedTime"] <= trained["LastModifiedTime"] + timedelta(seconds=1)


def test_boto3_in_a_script_speaks_to_this_server(api: Api) -> None:
    script = """
        import boto3, os
        name = os.environ["TRAINING_JOB_NAME"]
        found = boto3.client("sagemaker").describe_training_job(TrainingJobName=name)
        assert found["TrainingJobArn"] == os.environ["TRAINING_JOB_ARN"]
        print("it is", found["TrainingJobStatus"])
    """
    ended = api.train("Asks-itself", script)
    assert ended["TrainingJobStatus"] == "Completed", ended
    assert "it is InProgress" in log_of(api, "Asks-itself")
    assert ended["TrainingJobArn"].endswith("training-job/asks-itself")


def test_a_failure_says_why_and_ends_the_tensors(api: Api) -> None:
    script = "raise ValueError('no such breed')"
    hook = {"S3OutputPath": f"s3://{BUCKET}/elsewhere/"}
    ended = api.train("fails-1", script, DebugHookConfig=hook)
    assert ended["TrainingJobStatus"] == ended["SecondaryStatus"] == "Failed"
    assert ended["FailureReason"].startswith("AlgorithmError: ")
    assert "no such breed" in ended["FailureReason"]
    assert (api.bucket / "elsewhere" / "fails-1" / "debug-output" / "training_job_end.ts").is_file()


def test_two_hosts_each_train_and_share_a_model(api: Api) -> None:
    script = """
        import json, os
        hosts, me = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
        print("one of", hosts)
        open(os.path.join(os.environ["SM_MODEL_DIR"], f"{me}.txt"), "w").write(me)
    """
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 30}
    ended = api.train("pair-1", script, ResourceConfig=resources)
    assert ended["TrainingJobStatus"] == "Completed", ended
    assert ended["ResourceConfig"]["InstanceCount"] == 2
    with tarfile.open(api.bucket / "pair-1" / "output" / "model.tar.gz") as bundle:
        assert bundle.getnames() == ["algo-1.txt", "algo-2.txt"]
    streams = api.logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="pair-1/", limit=2
    )
    hosts = [one["logStreamName"].split("/")[1].rsplit("-", 1)[0] for one in streams["logStreams"]]
    assert hosts == ["algo-1", "algo-2"]
    assert "nextToken" not in streams


def test_the_third_sdk_gives_a_command_line(api: Api) -> None:
    api.put("v3/code/entry.py", b"import sys; print('entry', open(sys.argv[1]).read())")
    driver = b"#!/bin/bash\nset -e\npython $SM_CHANNEL_CODE/entry.py $SM_CHANNEL_DRIVERS/sm_train.sh\n"
    api.put("v3/drivers/sm_train.sh", driver)
    request = api.training(
        "v3-20260131120000",
        "",
        AlgorithmSpecification={
            "ContainerEntrypoint": ["/bin/bash"],
            "ContainerArguments": ["-c", "echo 'it''s here' && bash $SM_CHANNEL_DRIVERS/sm_train.sh"],
        },
        InputDataConfig=[channel(api, "code", "v3/code/"), channel(api, "drivers", "v3/drivers/")],
    )
    request["HyperParameters"] = {"epochs": "1"}
    api.sagemaker.create_training_job(**request)
    ended = api.ended(request["TrainingJobName"])
    assert ended["TrainingJobStatus"] == "Completed", ended
    assert "entry #!/bin/bash" in log_of(api, ended["TrainingJobName"])
    assert ended["HyperParameters"] == {"epochs": "1"}
    assert ended["AlgorithmSpecification"]["ContainerEntrypoint"] == ["/bin/bash"]


def test_a_source_that_comes_in_a_channel(api: Api) -> None:
    """As the SDK sends it with `enable_network_isolation=True`."""
    request = api.training("isolated-1", "print('from a channel')", EnableNetworkIsolation=True)
    uri = json.loads(request["HyperParameters"]["sagemaker_submit_directory"])
    request["HyperParameters"]["sagemaker_submit_directory"] = '"/opt/ml/input/data/code/sourcedir.tar.gz"'
    assert "no channel 'code'" in refused(api.sagemaker.create_training_job, **request)[1]
    request["InputDataConfig"] = [channel(api, "code", uri.removeprefix(f"s3://{BUCKET}/"))]
    api.sagemaker.create_training_job(**request)
    assert api.ended("isolated-1")["TrainingJobStatus"] == "Completed"
    assert "from a channel" in log_of(api, "isolated-1")
    assert "the job is not kept from the network" in log_of(api, "isolated-1")


def test_a_channel_of_a_manifest_and_of_half_a_name(api: Api) -> None:
    api.put("listed/a.jpg", b"a")
    api.put("listed/deep/b.jpg", b"b")
    manifest = [{"prefix": f"s3://{BUCKET}/listed/"}, "a.jpg", "deep/b.jpg"]
    uri = api.put("listed.manifest", json.dumps(manifest).encode())
    script = """
        import os
        for name in ("LISTED", "HALF"):
            folder = os.environ[f"SM_CHANNEL_{name}"]
            print(name, sorted(os.path.relpath(os.path.join(at, one), folder)
                               for at, _, names in os.walk(folder, followlinks=True) for one in names))
    """
    listed = channel(api, "listed", "")
    listed["DataSource"]["S3DataSource"] |= {"S3DataType": "ManifestFile", "S3Uri": uri}
    ended = api.train("manifest-1", script, InputDataConfig=[listed, channel(api, "half", "listed/de")])
    assert ended["TrainingJobStatus"] == "Completed", ended
    assert "LISTED ['a.jpg', 'deep/b.jpg']" in log_of(api, "manifest-1")
    assert "HALF ['deep/b.jpg']" in log_of(api, "manifest-1")


def test_stopping(api: Api) -> None:
    script = """
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: (print("told to stop"), sys.exit(0)))
        print("ready", flush=True)
        time.sleep(600)
    """
    api.sagemaker.create_training_job(**api.training("long-1", script))
    deadline = time.monotonic() + SECONDS
    while "ready" not in (log_of(api, "long-1") if log_exists(api, "long-1") else ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    code, message = refused(api.sagemaker.delete_training_job, TrainingJobName="long-1")
    assert code == "ResourceInUse", message
    api.sagemaker.stop_training_job(TrainingJobName="long-1")
    ended = api.ended("long-1")
    assert (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "told to stop" in log_of(api, "long-1")
    code, message = refused(api.sagemaker.stop_training_job, TrainingJobName="long-1")
    assert code == "ValidationException"
    assert "Stopped" in message


def log_exists(api: Api, name: str) -> bool:
    return (api.workspace.job_directory(name) / "logs" / "training.log").exists()


def test_a_deleted_job_is_gone_and_its_objects_stay(api: Api) -> None:
    script = "import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('{}')"
    api.train("again-1", script.format("first"))
    api.sagemaker.delete_training_job(TrainingJobName="again-1")
    code, message = refused(api.sagemaker.describe_training_job, TrainingJobName="again-1")
    assert (code, message) == ("ValidationException", "Requested resource not found.")
    assert (api.bucket / "again-1" / "output" / "model.tar.gz").is_file()
    api.train("again-1", script.format("second"))
    with tarfile.open(fileobj=io.BytesIO((api.bucket / "again-1" / "output" / "model.tar.gz").read_bytes())) as bundle:
        member = bundle.extractfile("m")
        assert member is not None
        assert member.read() == b"second"


def test_a_job_deleted_by_the_command_is_gone_with_all_but_its_objects(api: Api) -> None:
    script = "import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('{}')"
    hook, tags = {"S3OutputPath": f"s3://{BUCKET}/tensors"}, [{"Key": "a", "Value": "b"}]
    for text in ("first", "second"):
        api.train("gone-1", script.format(text), DebugHookConfig=hook, Tags=tags)
        arn = api.sagemaker.describe_training_job(TrainingJobName="gone-1")["TrainingJobArn"]
        assert api.sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags
        assert objects(api, "tensors/gone-1/")
        delete(api.workspace, of_training_job, "gone-1")
        assert refused(api.sagemaker.describe_training_job, TrainingJobName="gone-1")[0] == "ValidationException"
        assert not api.workspace.job_directory("gone-1").exists()
        assert objects(api, "tensors/gone-1/") == []
        assert objects(api, "") != []
        assert (api.bucket / "gone-1" / "output" / "model.tar.gz").is_file()
        assert api.workspace.records.find("tags", "training-job/gone-1") is None
        assert api.workspace.records.find("training-request", "gone-1") is None


def objects(api: Api, prefix: str) -> list[str]:
    found = api.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [one["Key"] for one in found.get("Contents", ())]


def test_what_cannot_be_is_refused(api: Api, trained: dict[str, Any]) -> None:
    create, script = api.sagemaker.create_training_job, "print(1)"
    code, message = refused(create, **api.training(trained["TrainingJobName"], script))
    assert code == "ResourceInUse"
    assert "already exists" in message
    assert refused(create, **api.training("under_score", script))[0] == "ValidationException"
    nonsense = {"rule_to_invoke": "Nonsense"}
    unknown = {"RuleConfigurationName": "X", "RuleEvaluatorImage": "i", "RuleParameters": nonsense}
    hook = {"S3OutputPath": f"s3://{BUCKET}/"}
    code, message = refused(
        create, **api.training("bad-1", script, DebugHookConfig=hook, DebugRuleConfigurations=[unknown])
    )
    assert code == "ValidationException"
    assert "Nonsense" in message
    code, message = refused(create, **api.training("bad-1", script, InputDataConfig=[channel(api, "x", "nowhere/")]))
    assert code == "ValidationException"
    assert message.startswith(f'No S3 objects found under S3 URL "s3://{BUCKET}/nowhere/" given in input data source: ')
    assert "there is no object at" in message
    nothing = api.training("bad-1", script, ResourceConfig={"VolumeSizeInGB": 30})
    assert refused(create, **nothing) == ("ValidationException", "ResourceConfig has no InstanceType, e.g. ml.m5.large")
    theirs = channel(api, "x", "dogs")
    theirs["DataSource"]["S3DataSource"]["S3Uri"] = "s3://an-authors-own-bucket/dogs"
    code, message = refused(create, **api.training("bad-1", script, InputDataConfig=[theirs]))
    if find_spec("s3fs") is None:
        assert "`aws s3 mb s3://an-authors-own-bucket` makes it" in message
    pipe = {"TrainingInputMode": "Pipe"}
    inputs = [channel(api, "training", "dogs")]
    piped = api.training("bad-1", script, AlgorithmSpecification=pipe, InputDataConfig=inputs)
    code, message = refused(create, **piped)
    assert (code, "Pipe" in message) == ("ValidationException", True)
    own = api.training("bad-1", script)
    own["HyperParameters"] = {}
    code, message = refused(create, **own)
    assert "cannot be run here" in message
    regex = {"MetricDefinitions": [{"Name": "loss", "Regex": "loss: [0-9"}]}
    code, message = refused(create, **api.training("bad-1", script, AlgorithmSpecification=regex))
    assert (code, "does not compile" in message) == ("ValidationException", True)
    assert refused(api.sagemaker.describe_training_job, TrainingJobName="bad-1")[0] == "ValidationException"
    assert refused(api.sagemaker.stop_training_job, TrainingJobName="bad-1")[0] == "ValidationException"


@pytest.mark.parametrize(
    ("spot", "stopping", "said"),
    [
        (True, {"MaxRuntimeInSeconds": 600}, "It must be present and be greater than or equal to MaxRuntimeInSeconds"),
        (
            True, {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 599},
            "It must be present and be greater than or equal to MaxRuntimeInSeconds",
        ),
        (
            False, {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
            "It is only supported when EnableManagedSpotTraining is set to true",
        ),
    ],
)  # fmt: skip
def test_waiting_for_spot_instances_is_checked_as_on_aws(
    api: Api, spot: bool, stopping: dict[str, int], said: str
) -> None:
    request = api.training("spot-1", "print(1)", StoppingCondition=stopping, EnableManagedSpotTraining=spot)
    code, message = refused(api.sagemaker.create_training_job, **request)
    assert (code, message) == ("ValidationException", f"Invalid MaxWaitTimeInSeconds. {said}")


def test_a_spot_job_runs(api: Api) -> None:
    stopping = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 600}
    ended = api.train("spot-2", "print(1)", StoppingCondition=stopping, EnableManagedSpotTraining=True)
    assert (ended["TrainingJobStatus"], ended["EnableManagedSpotTraining"]) == ("Completed", True)
    assert ended["StoppingCondition"] == stopping


def test_what_is_written_for_tensorboard_are_objects(api: Api) -> None:
    script = """
        import json, os
        folder = json.load(open(os.environ["TENSORBOARD_CONFIG_FILE_PATH"]))["LocalPath"]
        os.makedirs(folder)
        open(os.path.join(folder, "events.out.tfevents.1"), "w").write("x")
    """
    ended = api.train("board-1", script, TensorBoardOutputConfig={"S3OutputPath": f"s3://{BUCKET}/boards/"})
    assert ended["TrainingJobStatus"] == "Completed", ended
    listed = api.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="boards/")["Contents"]
    assert [one["Key"] for one in listed] == ["boards/board-1/tensorboard-output/events.out.tfevents.1"]


def test_lists_and_their_pages(api: Api, trained: dict[str, Any]) -> None:
    for number in range(3):
        api.train(f"paged-{number}", "print(1)")
    pages = api.sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains="PAGED", SortBy="Name", PaginationConfig={"PageSize": 2}
    )
    names = [[one["TrainingJobName"] for one in page["TrainingJobSummaries"]] for page in pages]
    assert names == [["paged-0", "paged-1"], ["paged-2"]]
    newest = api.sagemaker.list_training_jobs(NameContains="paged")["TrainingJobSummaries"]
    assert [one["TrainingJobName"] for one in newest] == ["paged-2", "paged-1", "paged-0"]
    assert newest[0]["TrainingJobStatus"] == "Completed"
    since = newest[1]["CreationTime"]
    later = api.sagemaker.list_training_jobs(NameContains="paged", CreationTimeAfter=since)["TrainingJobSummaries"]
    assert {one["TrainingJobName"] for one in later} <= {"paged-2", "paged-1"}
    assert api.sagemaker.list_training_jobs(StatusEquals="Failed", NameContains="paged")["TrainingJobSummaries"] == []
    assert refused(api.sagemaker.list_training_jobs, NextToken="nonsense")[0] == "ValidationException"


def test_what_is_made_meanwhile_is_on_no_later_page(api: Api) -> None:
    for number in range(2):
        api.train(f"drift-{number}", "print(1)")
    first = api.sagemaker.list_training_jobs(NameContains="drift", MaxResults=1)
    api.train("drift-2", "print(1)")
    second = api.sagemaker.list_training_jobs(NameContains="drift", MaxResults=1, NextToken=first["NextToken"])
    names = [page["TrainingJobSummaries"][0]["TrainingJobName"] for page in (first, second)]
    assert names == ["drift-1", "drift-0"]


def test_a_job_of_the_command_line_is_described_too(api: Api, trained: dict[str, Any]) -> None:
    from tests.jobs.running_engine import ONE_CORE
    from tintype.jobs.job import JobSpec, Source

    script = api.context.buckets.root / "plain.py"
    script.write_text("print('hello')")
    with api.workspace.engine() as engine:
        engine.submit(JobSpec(Source("script", str(script)), {"lr": "0.1"}, resources=ONE_CORE), "by-hand")
        engine.wait("by-hand", timeout=SECONDS)
    description = api.sagemaker.describe_training_job(TrainingJobName="by-hand")
    assert description["TrainingJobStatus"] == "Completed"
    assert description["HyperParameters"] == {"lr": "0.1"}
    assert description["RoleArn"].endswith(":role/TintypeExecutionRole")


def test_of_two_who_ask_for_a_name_at_once_one_has_it(api: Api) -> None:
    request = api.training("at-once", "print(1)")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(api.sagemaker.create_training_job, **request) for _ in range(8)]
    errors = [one.exception() for one in asked]
    assert errors.count(None) == 1
    codes = {str(error).partition(")")[0].partition("(")[2] for error in errors if error}
    assert codes == {"ResourceInUse"}
    assert api.ended("at-once")["TrainingJobStatus"] == "Completed"


def test_a_request_that_a_killed_server_left_is_no_hindrance(api: Api) -> None:
    records = api.workspace.records
    records.create("training-request", "left-over", {"TrainingJobName": "left-over"})
    assert refused(api.sagemaker.create_training_job, **api.training("left-over", "print(1)"))[0] == "ResourceInUse"
    past = Records.open(api.workspace.settings.records_url, clock=lambda: time.time() - 3600)
    past.replace(past.get("training-request", "left-over"), {})
    past.close()
    assert api.train("left-over", "print(1)")["TrainingJobStatus"] == "Completed"
