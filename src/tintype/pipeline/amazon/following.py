"""A job on SageMaker, followed to its end: its status now and then, its log as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from tintype.errors import JobFailed
from tintype.pipeline.amazon.account import amazons_errors
from tintype.pipeline.amazon.remote import Remote
from tintype.pipeline.watching import Watcher

Json = dict[str, Any]

GROUP = "/aws/sagemaker/TrainingJobs"
POLL_SECONDS = 5.0
OVER = ("Completed", "Failed", "Stopped")
TAIL = 20
TRAINING_GOES_ON = (
    "{name} goes on at Amazon. To see it: `aws logs tail " + GROUP + " --log-stream-name-prefix {name}/ --follow`; "
    "to stop it: `aws sagemaker stop-training-job --training-job-name {name}`"
)
TUNING_GOES_ON = (
    "{name} goes on at Amazon. To see it: `aws sagemaker describe-hyper-parameter-tuning-job "
    "--hyper-parameter-tuning-job-name {name}`; to stop it: `aws sagemaker stop-hyper-parameter-tuning-job "
    "--hyper-parameter-tuning-job-name {name}`"
)


def follow_training(
    remote: Remote, name: str, watcher: Watcher, poll: float = POLL_SECONDS, sleep: Callable[[float], None] = time.sleep
) -> Json:
    """The description of a training job at its end. `JobFailed` when it failed.

    Ctrl-C ends the watching alone: the watcher is told how to go on with it, and how to stop the job.
    """
    said: list[str] = []
    tokens: dict[str, str] = {}
    phase = ""
    with _left_running(watcher, TRAINING_GOES_ON.format(name=name)):
        while True:
            with amazons_errors():
                description: Json = remote.sagemaker.describe_training_job(TrainingJobName=name)
                for line in _new_lines(remote, name, tokens):
                    watcher.line(line)
                    said.append(line)
                    del said[:-TAIL]
            if description["SecondaryStatus"] != phase:
                phase = description["SecondaryStatus"]
                watcher.note(f"{name}: {phase}")
            if description["TrainingJobStatus"] in OVER:
                break
            sleep(poll)
    if description["TrainingJobStatus"] == "Failed":
        raise JobFailed(f"training job {name} failed on SageMaker: {description.get('FailureReason', '')}", said)
    return description


def follow_tuning(
    remote: Remote, name: str, watcher: Watcher, poll: float = POLL_SECONDS, sleep: Callable[[float], None] = time.sleep
) -> Json:
    """The description of a tuning job at its end. `JobFailed` when no trial succeeded. Ctrl-C as above."""
    shown: Json = {}
    with _left_running(watcher, TUNING_GOES_ON.format(name=name)):
        while True:
            with amazons_errors():
                found: Json = remote.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            counts = {status: count for status, count in found["TrainingJobStatusCounters"].items() if count}
            if counts != shown:
                shown = counts
                watcher.note(f"{name}: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
            if found["HyperParameterTuningJobStatus"] in OVER:
                break
            sleep(poll)
    if found["HyperParameterTuningJobStatus"] == "Failed":
        raise JobFailed(f"tuning job {name} failed on SageMaker: {found.get('FailureReason', '')}")
    return found


@contextmanager
def _left_running(watcher: Watcher, words: str) -> Iterator[None]:
    """A job that may have trained for hours, and is paid for, is not stopped because its terminal is wanted back."""
    try:
        yield
    except KeyboardInterrupt:
        watcher.warning(words)
        raise


def _new_lines(remote: Remote, name: str, tokens: dict[str, str]) -> list[str]:
    lines: list[str] = []
    try:
        streams = remote.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
    except ClientError as error:
        told: Any = error.response.get("Error", {})
        if told.get("Code") == "ResourceNotFoundException":         # nothing was logged yet
            return lines
        raise
    for stream in (one["logStreamName"] for one in streams):
        while True:
            token = {"nextToken": tokens[stream]} if stream in tokens else {}
            page = remote.logs.get_log_events(
                logGroupName=GROUP, logStreamName=stream, startFromHead=True, **token
            )
            lines += [event["message"] for event in page["events"]]
            if tokens.get(stream) == page["nextForwardToken"] or not page["events"]:
                tokens[stream] = page["nextForwardToken"]
                break
            tokens[stream] = page["nextForwardToken"]
    return lines
