"""Training jobs of a person's own script: what is asked for on the command line, as what the engine is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from tintype.debugger import compat_path
from tintype.errors import InvalidRequest
from tintype.jobs.job import Channel, Checkpoint, JobSpec, MetricDefinition, Resources, Source
from tintype.jobs.specification import DAY_SECONDS
from tintype.pipeline.training_jobs import absolute, parse_assignments


@final
@dataclass(frozen=True)
class ScriptRequest:
    """A script to be run as SageMaker would run it. Locations are paths or URLs; nothing is looked at yet."""

    entry_point: str                                        # below `source_dir`, or a path of its own
    source_dir: str = ""
    channels: Sequence[str] = ()                            # "train=photos/train"
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[str] = ()                             # "valid loss=Loss: ([0-9.]+)"
    environment: Sequence[str] = ()                         # "NAME=VALUE"
    tags: Sequence[str] = ()                                # "NAME=VALUE"
    resources: Resources = field(default_factory=Resources)
    output: str = ""                                        # a URL the artifacts are copied to
    checkpoint_url: str = ""
    max_runtime_seconds: float = DAY_SECONDS
    retries: int = 0
    warm: bool = True


def script_spec(request: ScriptRequest) -> JobSpec:
    """What the engine is told. Raises `InvalidRequest` for an assignment that is none."""
    metrics = _assigned("--metric", request.metrics, "'valid loss=Loss: ([0-9.]+)'")
    channels = _assigned("--channel", request.channels, "train=photos/train")
    return JobSpec(
        source=source_of(request.entry_point, request.source_dir),
        hyperparameters=dict(request.hyperparameters),
        channels=tuple(Channel(name, absolute(location)) for name, location in channels.items()),
        output=absolute(request.output) if request.output else "",
        resources=request.resources,
        environment=with_path(_assigned("--env", request.environment, "NAME=VALUE"), compat_path()),
        metric_definitions=tuple(MetricDefinition(name, regex) for name, regex in metrics.items()),
        max_runtime_seconds=request.max_runtime_seconds,
        checkpoint=Checkpoint(url=absolute(request.checkpoint_url) if request.checkpoint_url else ""),
        retries=request.retries,
        tags=_assigned("--tag", request.tags, "team=birds"),
        warm=request.warm,
    )


def source_of(entry_point: str, source_dir: str) -> Source:
    """The script as the engine knows it: an entry point below a folder, an archive or a URL; or a file by itself."""
    if source_dir:
        return Source("script", entry_point, absolute(source_dir))
    return Source("script", absolute(entry_point))


def with_path(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """An environment in which Python looks into `folder` too, before it looks where it looks anyway."""
    given = environment.get("PYTHONPATH")
    if given and str(folder) in given.split(":"):
        return dict(environment)
    return {**environment, "PYTHONPATH": f"{folder}:{given}" if given else str(folder)}


def hyperparameters_of(assignments: Sequence[str]) -> dict[str, str]:
    """`-p` as wire strings: `lr=0.01` is the number for the script, `model=resnet18` the text."""
    return {name: str(value) for name, value in parse_assignments("-p", list(assignments)).items()}


def _assigned(option: str, assignments: Sequence[str], example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator or not name.strip() or not value:
            raise InvalidRequest(f"{option} takes NAME=VALUE, e.g. {option} {example}; got {assignment!r}")
        if name.strip() in found:
            raise InvalidRequest(f"{option} {name.strip()} is given twice; give it once")
        found[name.strip()] = value
    return found
