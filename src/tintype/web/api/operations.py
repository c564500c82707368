"""The table of operations: (service as botocore names it, operation) → function. What is not here is refused by
name.
"""

from __future__ import annotations

from tintype.web.api import (
    endpoint_configs,
    identity,
    logs,
    metrics,
    models,
    registry,
    search,
    tags,
    training_jobs,
    transform_jobs,
    tuning_jobs,
)
from tintype.web.api.operation import Operation

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("sts", "GetCallerIdentity"): identity.get_caller_identity,
    ("sts", "AssumeRole"): identity.assume_role,
    ("sts", "GetSessionToken"): identity.get_session_token,
    ("iam", "GetRole"): identity.get_role,
    ("iam", "SimulatePrincipalPolicy"): identity.simulate_principal_policy,
    ("iam", "ListAttachedRolePolicies"): identity.list_attached_role_policies,
    ("ecr", "DescribeRepositories"): registry.describe_repositories,
    ("ecr", "DescribeImages"): registry.describe_images,
    ("sagemaker", "CreateTrainingJob"): training_jobs.create_training_job,
    ("sagemaker", "DescribeTrainingJob"): training_jobs.describe_training_job,
    ("sagemaker", "ListTrainingJobs"): training_jobs.list_training_jobs,
    ("sagemaker", "StopTrainingJob"): training_jobs.stop_training_job,
    ("sagemaker", "DeleteTrainingJob"): training_jobs.delete_training_job,
    ("sagemaker", "UpdateTrainingJob"): training_jobs.update_training_job,
    ("sagemaker", "CreateHyperParameterTuningJob"): tuning_jobs.create_hyper_parameter_tuning_job,
    ("sagemaker", "DescribeHyperParameterTuningJob"): tuning_jobs.describe_hyper_parameter_tuning_job,
    ("sagemaker", "ListHyperParameterTuningJobs"): tuning_jobs.list_hyper_parameter_tuning_jobs,
    ("sagemaker", "ListTrainingJobsForHyperParameterTuningJob"): (
        tuning_jobs.list_training_jobs_for_hyper_parameter_tuning_job
    ),
    ("sagemaker", "StopHyperParameterTuningJob"): tuning_jobs.stop_hyper_parameter_tuning_job,
    ("sagemaker", "DeleteHyperParameterTuningJob"): tuning_jobs.delete_hyper_parameter_tuning_job,
    ("sagemaker", "CreateModel"): models.create_model,
    ("sagemaker", "DescribeModel"): models.describe_model,
    ("sagemaker", "ListModels"): models.list_models,
    ("sagemaker", "DeleteModel"): models.delete_model,
    ("sagemaker", "CreateEndpointConfig"): endpoint_configs.create_endpoint_config,
    ("sagemaker", "DescribeEndpointConfig"): endpoint_configs.describe_endpoint_config,
    ("sagemaker", "ListEndpointConfigs"): endpoint_configs.list_endpoint_configs,
    ("sagemaker", "DeleteEndpointConfig"): endpoint_configs.delete_endpoint_config,
    ("sagemaker", "CreateTransformJob"): transform_jobs.create_transform_job,
    ("sagemaker", "DescribeTransformJob"): transform_jobs.describe_transform_job,
    ("sagemaker", "ListTransformJobs"): transform_jobs.list_transform_jobs,
    ("sagemaker", "StopTransformJob"): transform_jobs.stop_transform_job,
    ("sagemaker", "AddTags"): tags.add_tags,
    ("sagemaker", "ListTags"): tags.list_tags,
    ("sagemaker", "DeleteTags"): tags.delete_tags,
    ("sagemaker", "Search"): search.search,
    ("sagemaker-metrics", "BatchPutMetrics"): metrics.batch_put_metrics,
    ("logs", "DescribeLogGroups"): logs.describe_log_groups,
    ("logs", "DescribeLogStreams"): logs.describe_log_streams,
    ("logs", "GetLogEvents"): logs.get_log_events,
    ("logs", "FilterLogEvents"): logs.filter_log_events,
    ("logs", "DeleteLogStream"): logs.delete_log_stream,
    ("cloudwatch", "GetMetricStatistics"): metrics.get_metric_statistics,
    ("cloudwatch", "GetMetricData"): metrics.get_metric_data,
    ("cloudwatch", "ListMetrics"): metrics.list_metrics,
    ("cloudwatch", "PutMetricData"): metrics.put_metric_data,
}
