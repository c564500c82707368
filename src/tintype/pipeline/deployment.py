"""From a name to a running endpoint, and from files to predictions."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tintype.errors import BadArchive, InvalidRequest, NotFound, not_found
from tintype.jobs.directory import JobDirectory
from tintype.models.archive import DESCRIPTION
from tintype.pipeline.coordination import find_tuning
from tintype.pipeline.run_record import training_of
from tintype.pipeline.training_jobs import pack
from tintype.pipeline.watching import Watcher
from tintype.serving.batch.file_predictions import (
    Classify,
    FilePrediction,
    FileProblem,
    Outcome,
    classify_locally,
    predict_files,
)
from tintype.serving.batch.remote_files import files_of
from tintype.serving.client import EndpointClient, predict
from tintype.serving.endpoints.deployment import Deployment, refuse_no_archive
from tintype.serving.endpoints.endpoint import Endpoint
from tintype.serving.endpoints.store import Endpoints
from tintype.serving.model_definition import CODE, DEFAULT_PROGRAM
from tintype.serving.runtimes.predictor import Predictor
from tintype.storage import file_sha256, local_path
from tintype.workspace import RUN_KIND, Workspace


def deploy(workspace: Workspace, *, endpoint: str, archive: Path, options: Deployment | None = None) -> Endpoint:
    """Serve an archive under a name; returns once it answers. `Conflict` when the name is taken."""
    return Endpoints(workspace.records).start(
        options or Deployment(name=endpoint, archive=archive, directory=workspace.endpoint_directory(endpoint))
    )


def archive_of(workspace: Workspace, name: str) -> Path:
    """The archive that `name` means: a run's, a job's, a tuning job's best trial's; or a file, or the folder that one
    was unpacked to. A trial's is packed now, from what it kept.

    Raises `NotFound` listing near names, `InvalidRequest` when the job has no model, `BadArchive` for another file.
    """
    path = local_path(name)
    if path is not None and (path.is_file() or is_unpacked(path)):
        refuse_no_archive(path)
        return path
    job_name = _job_of(workspace, name)
    job = workspace.jobs.get(job_name)
    archive = JobDirectory(Path(job.directory)).archive
    if archive.exists():
        return archive
    if not job.status.is_finished or not job.result:
        raise InvalidRequest(f"job {job_name!r} is {job.status} and has no model to deploy")
    pack(job)
    return archive


def _job_of(workspace: Workspace, name: str) -> str:
    """The job whose model `name` means. A run that has not come to its training has the best trial of its search."""
    run = workspace.records.find(RUN_KIND, name)
    if run is not None and workspace.jobs.exists(training_of(name)):
        return training_of(name)
    tuning = find_tuning(workspace.records, name)
    if tuning is not None and tuning.best is not None:
        return tuning.best.name
    if workspace.jobs.exists(name):
        return name
    if run is not None or tuning is not None:
        raise InvalidRequest(f"{name!r} has no model to deploy: no training of it has completed")
    names = [job.name for job in workspace.jobs.list(limit=1000)]
    raise not_found("run, job or archive", name, [*workspace.records.names(RUN_KIND), *names])


def ask(url: str, paths: Sequence[str], watcher: Watcher, token: str | None = None) -> list[dict[str, Any]]:
    """Send files, folders and URLs to an endpoint; a bad file is warned of and is not in the list."""
    return _said(predict(url, paths, token=token), watcher)


def classify(archive: Path, paths: Sequence[str], watcher: Watcher) -> list[dict[str, Any]]:
    """Classify files, folders and URLs with the archive itself, in this process, with no server."""
    with tempfile.TemporaryDirectory(prefix="tintype-") as scratch:
        predictor = Predictor.open(archive, Path(scratch) / "model")
        return _said(list(predict_files(classify_locally(predictor), files_of(paths))), watcher)


@contextmanager
def classifier(workspace: Workspace, target: str, top: int) -> Iterator[tuple[dict[str, Any], Classify]]:
    """Whatever `target` names, to be asked: an endpoint, its URL, or else a run, a tuning job, a job or an archive,
    without a server; and in plain JSON who it is that answers. Raises `NotFound` and `InvalidRequest` when nobody does.
    """
    if target.startswith(("http://", "https://")):
        with EndpointClient(target) as client:
            yield {"url": target, "top": top}, lambda content: client.classify(content, top)
        return
    known = {endpoint.name: endpoint for endpoint in Endpoints(workspace.records).list()}
    if target in known:
        endpoint = known[target]
        if endpoint.url is None:
            reason = f"endpoint {target!r} is {endpoint.status}: {endpoint.failure_reason or 'it does not answer yet'}"
            raise InvalidRequest(reason)
        who = {"endpoint": target, "models": [one.archive for one in endpoint.variants], "top": top}
        with EndpointClient(endpoint.url, token=endpoint.token) as client:
            yield who, lambda content: client.classify(content, top)
        return
    try:
        archive = archive_of(workspace, target)
    except (NotFound, BadArchive) as error:
        if os.path.exists(target):
            hint = "whom to ask comes first, then the images, as in `tintype predict ENDPOINT photo.jpg`"
            raise InvalidRequest(f"{target} is no model; {hint}") from error
        raise not_found("endpoint, run or job", target, [*known, *workspace.records.names(RUN_KIND)]) from error
    with tempfile.TemporaryDirectory(prefix="tintype-") as scratch:
        predictor = Predictor.open(archive, Path(scratch) / "model")
        yield {"archive": _identity(archive), "top": top}, classify_locally(predictor, top)


def is_unpacked(folder: Path) -> bool:
    """An archive was unpacked there: one of ours, or one with a script."""
    return (folder / DESCRIPTION).is_file() or (folder / CODE / DEFAULT_PROGRAM).is_file()


def _identity(archive: Path) -> str | list[list[str]]:
    """What tells one model from another; in plain JSON."""
    if archive.is_file():
        return file_sha256(archive)
    files = sorted(path for path in archive.rglob("*") if path.is_file())
    return [[str(path.relative_to(archive)), file_sha256(path)] for path in files]


def _said(found: Sequence[Outcome], watcher: Watcher) -> list[dict[str, Any]]:
    for one in found:
        if isinstance(one, FileProblem):
            watcher.warning(f"{one.file}: {one.reason}")
    return [
        {"file": one.file, "label": one.label, "probability": one.probability}
        for one in found
        if isinstance(one, FilePrediction)
    ]
