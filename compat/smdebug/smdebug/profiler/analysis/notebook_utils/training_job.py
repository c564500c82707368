"""A training job by its name: SageMaker's API, or Tintype's where AWS_ENDPOINT_URL says so."""

from __future__ import annotations

import time
from typing import Any

from smdebug.profiler.algorithm_metrics_reader import S3AlgorithmMetricsReader
from smdebug.profiler.system_metrics_reader import S3SystemMetricsReader

POLL_SECONDS = 10
ENDED = {"Completed", "Failed", "Stopped"}


class TrainingJob:
    """Where the profile of a job is, and readers of it."""

    def __init__(self, training_job_name: str, region: str | None = None) -> None:
        import boto3

        self.name = training_job_name
        self._client = boto3.client("sagemaker", region_name=region)
        self.profiler_config, self.profiler_s3_output_path = self.get_config_and_profiler_s3_output_path()
        self.system_metrics_reader: S3SystemMetricsReader | None = None
        self.framework_metrics_reader: S3AlgorithmMetricsReader | None = None

    def get_sm_client(self) -> Any:
        """boto3's client of SageMaker."""
        return self._client

    def describe_training_job(self) -> dict[str, Any]:
        """The answer of DescribeTrainingJob."""
        return self._client.describe_training_job(TrainingJobName=self.name)

    def get_config_and_profiler_s3_output_path(self) -> tuple[dict[str, Any], str]:
        """The job's ProfilerConfig, and the prefix of its profile. `ValueError` for a job that is not profiled."""
        config = self.describe_training_job().get("ProfilerConfig") or {}
        output = config.get("S3OutputPath", "")
        if not output:
            raise ValueError(f"the training job {self.name} has no ProfilerConfig with an S3OutputPath")
        return config, f"{output.rstrip('/')}/{self.name}/profiler-output"

    def get_systems_metrics_reader(self) -> S3SystemMetricsReader:
        """A reader of the system metrics."""
        if self.system_metrics_reader is None:
            self.system_metrics_reader = S3SystemMetricsReader(self.profiler_s3_output_path)
        return self.system_metrics_reader

    def get_framework_metrics_reader(self) -> S3AlgorithmMetricsReader:
        """A reader of the framework metrics."""
        if self.framework_metrics_reader is None:
            self.framework_metrics_reader = S3AlgorithmMetricsReader(self.profiler_s3_output_path)
        return self.framework_metrics_reader

    def wait_for_sys_profiling_data_to_be_available(self) -> None:
        """Return when there are system metrics, or the job has ended without any."""
        self._wait(self.get_systems_metrics_reader(), "system")

    def wait_for_framework_profiling_data_to_be_available(self) -> None:
        """Return when there are framework metrics, or the job has ended without any."""
        self._wait(self.get_framework_metrics_reader(), "framework")

    def _wait(self, reader: S3SystemMetricsReader | S3AlgorithmMetricsReader, what: str) -> None:
        print(f"ProfilerConfig:{self.profiler_config}\ns3 path:{self.profiler_s3_output_path}\n")
        while True:
            job = self.describe_training_job()
            reader.refresh_event_file_list()
            if reader.get_timestamp_of_latest_available_file():
                print(f"\nProfiler data from {what} is available")
                return
            if job["TrainingJobStatus"] in ENDED:
                print(f"\nThe job is {job['TrainingJobStatus']}, and there are no {what} metrics")
                return
            print(f"Profiler data from {what} not available yet")
            time.sleep(POLL_SECONDS)
