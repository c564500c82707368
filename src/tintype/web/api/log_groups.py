"""CloudWatch's log groups and streams, and the files that they are here.

    /aws/sagemaker/TrainingJobs         <job>/algo-1-<epoch>            a job's logs/training.log, algo-2.log, ...
    /aws/sagemaker/TransformJobs        <job>/<file>                    logs of a transform job
    /aws/sagemaker/Endpoints/<name>     <variant>/<file>                logs of an endpoint
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tintype.jobs.directory import JobDirectory, host_name
from tintype.jobs.job import Job
from tintype.jobs.store import KIND
from tintype.records import SortBy
from tintype.web.context import Context

TRAINING = "/aws/sagemaker/TrainingJobs"
TRANSFORM = "/aws/sagemaker/TransformJobs"
ENDPOINTS = "/aws/sagemaker/Endpoints/"
TRANSFORM_FOLDER = "transform-jobs"         # below the home
ENDPOINT_FOLDER = "endpoints"
DEFAULT_VARIANT = "AllTraffic"
PAGE = 500


@final
@dataclass(frozen=True)
class Stream:
    """One log stream. `created` is milliseconds since the epoch."""

    name: str
    path: Path
    created: int

    @property
    def changed(self) -> int:
        """When something was last written to it, in milliseconds; 0 when it is not there any more."""
        try:
            return self.path.stat().st_mtime_ns // 1_000_000
        except FileNotFoundError:
            return 0


def group_names(context: Context, prefix: str = "") -> list[str]:
    """All groups whose names begin with `prefix`, by name."""
    folder = context.workspace.home / ENDPOINT_FOLDER
    endpoints = [f"{ENDPOINTS}{one.name}" for one in _folders(folder)]
    return sorted(name for name in (*endpoints, TRAINING, TRANSFORM) if name.startswith(prefix))


def streams(context: Context, group: str, prefix: str = "") -> Iterator[Stream] | None:
    """The streams of a group whose names begin with `prefix`, by name; None when there is no such group."""
    if group == TRAINING:
        return _of_training(context, prefix)
    home = context.workspace.home
    if group == TRANSFORM:
        found = (one for job in _folders(home / TRANSFORM_FOLDER) for one in _of_folder(job, f"{job.name}/"))
        return (one for one in found if one.name.startswith(prefix))
    folder = home / ENDPOINT_FOLDER / group.removeprefix(ENDPOINTS)
    if not group.startswith(ENDPOINTS) or "/" in group.removeprefix(ENDPOINTS) or not folder.is_dir():
        return None
    return (one for one in _of_folder(folder, "") if one.name.startswith(prefix))


def job_streams(job: Job) -> list[Stream]:
    """A training job's streams, one for each host that has said something."""
    directory, hosts = JobDirectory(Path(job.directory)), 1 if job.spec is None else job.spec.resources.instance_count
    since = int(job.created_at)
    named = [(f"{job.name}/{host_name(index)}-{since}", directory.log_of(index)) for index in range(hosts)]
    return [Stream(name, path, since * 1000) for name, path in named if path.is_file()]


def _of_training(context: Context, prefix: str) -> Iterator[Stream]:
    records, (name, slash, _) = context.workspace.records, prefix.partition("/")
    if slash:
        record = records.find(KIND, name)
        found = [] if record is None else job_streams(Job.from_json(record.document))
        yield from (one for one in found if one.name.startswith(prefix))
        return
    offset = 0
    while page := records.list(
        KIND, sort_by=SortBy.NAME, ascending=True, limit=PAGE, offset=offset, name_contains=name or None
    ):
        for record in page:
            if record.name.startswith(name):
                yield from job_streams(Job.from_json(record.document))
        offset += len(page)


def _of_folder(folder: Path, before: str) -> Iterator[Stream]:
    for path in sorted(folder.rglob("*.log")):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        variant, slash, rest = stem.partition("/")
        name = f"{before}{variant}/{rest.replace('/', '-')}" if slash else f"{before or f'{DEFAULT_VARIANT}/'}{stem}"
        yield Stream(name, path, path.stat().st_ctime_ns // 1_000_000)


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except FileNotFoundError:
        return []
