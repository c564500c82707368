"""Tags through boto3."""

from __future__ import annotations

from typing import Any

from tests.web.api.serving import Api
from tests.web.api.test_training_jobs import refused


def tags_of(api: Api, arn: str) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in api.sagemaker.list_tags(ResourceArn=arn)["Tags"]}


def test_tags_come_with_a_job_and_change(api: Api) -> None:
    job: dict[str, Any] = api.train("Tagged-1", "print(1)", Tags=[{"Key": "team", "Value": "dogs"}])
    arn = job["TrainingJobArn"]
    assert tags_of(api, arn) == {"team": "dogs"}
    added = api.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "cats"}, {"Key": "a", "Value": ""}])
    assert added["Tags"] == [{"Key": "team", "Value": "cats"}, {"Key": "a", "Value": ""}]
    api.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "nothing"])
    assert tags_of(api, arn) == {"a": ""}
    many = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    assert refused(api.sagemaker.add_tags, ResourceArn=arn, Tags=many)[0] == "ValidationException"
    api.sagemaker.delete_training_job(TrainingJobName="Tagged-1")
    assert refused(api.sagemaker.list_tags, ResourceArn=arn)[0] == "ValidationException"


def test_tags_of_what_is_not_there(api: Api) -> None:
    arn = "arn:aws:sagemaker:us-east-1:000000000000:training-job/nobody"
    code, message = refused(api.sagemaker.list_tags, ResourceArn=arn)
    assert (code, "Could not find" in message) == ("ValidationException", True)
