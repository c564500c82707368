"""Where a job's outputs are objects: its folders are shown below its output paths, live, also when it fails.

    <OutputDataConfig.S3OutputPath>/<job>/output/       model.tar.gz and output.tar.gz, put there when they are whole
    <DebugHookConfig.S3OutputPath>/<job>/debug-output/
    <ProfilerConfig.S3OutputPath>/<job>/profiler-output/
    <OutputDataConfig.S3OutputPath>/<job>/rule-output/<RuleConfigurationName>/
    <TensorBoardOutputConfig.S3OutputPath>/<job>/tensorboard-output/
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tintype.errors import Conflict
from tintype.jobs.configuration_files import here
from tintype.jobs.directory import JobDirectory
from tintype.web.api.surroundings import S3
from tintype.web.api.training_spec import TENSORBOARD
from tintype.web.context import Context
from tintype.web.s3.location import S3Location


def show_outputs(context: Context, request: Mapping[str, Any], name: str) -> None:
    """Show the folders of the job `name`, which need not be there yet."""
    directory = JobDirectory(context.workspace.job_directory(name))
    output = request["OutputDataConfig"]["S3OutputPath"]
    for member, folder, where in (
        ("DebugHookConfig", directory.debug_output, "debug-output"),
        ("ProfilerConfig", directory.profiler_output, "profiler-output"),
    ):
        configuration = request.get(member)
        if configuration and not configuration.get("DisableProfiler"):
            _show(context, configuration.get("S3OutputPath") or output, f"{name}/{where}", folder)
    if tensorboard := request.get("TensorBoardOutputConfig"):
        folder = Path(here(tensorboard.get("LocalPath") or TENSORBOARD, directory))
        _show(context, tensorboard["S3OutputPath"], f"{name}/tensorboard-output", folder)
    if request.get("DebugRuleConfigurations") or request.get("ProfilerRuleConfigurations"):
        _show(context, output, f"{name}/rule-output", directory.rule_output)


def _show(context: Context, uri: str, below: str, folder: Any) -> None:
    if not uri.startswith(S3):
        return
    location = S3Location.parse(uri)
    prefix = location.key.strip("/")
    with contextlib.suppress(Conflict):         # the output of an earlier job of the name is there; it stays
        context.buckets.attach(location.bucket, f"{prefix}/{below}" if prefix else below, folder)
