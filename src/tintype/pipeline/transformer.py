"""The process that does one batch transform job: `python -m tintype.pipeline.transformer --home HOME NAME`.

It starts the model's own worker processes, as an endpoint has them but without a port, sends every file to them, and
says in the job's record how it stands. It holds the job's lease: two never write the same outputs.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from tintype.errors import Conflict, JobFailed, LeaseLost, TintypeError, TooLarge
from tintype.jobs.job import Status
from tintype.jobs.supervisor import ENVIRONMENTS
from tintype.pipeline import transform_jobs
from tintype.pipeline.own_process import run_as_process
from tintype.pipeline.transform_jobs import KIND, TransformJob, change
from tintype.records import Lease, Owner, Records, is_known_dead
from tintype.serving.batch.transform import Input, Transformed, transform
from tintype.serving.front.invocation import Invocation
from tintype.serving.model_definition import ModelDefinition
from tintype.serving.settings import ServerSettings
from tintype.serving.variants.replicas import Replicas, Surroundings
from tintype.serving.watching.metrics import Metrics
from tintype.serving.workers.nursery import Nursery
from tintype.workspace import Workspace

TOLD_SECONDS = 1.0                  # between two words about how far it is
REASONS_SHOWN = 3


class _Stopped(Exception):
    """Somebody asked for it."""


@final
@dataclass
class _Progress:
    """Tells the record how far it is, and learns from it whether to stop."""

    records: Records
    lease: Lease
    told_at: float = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.told_at < TOLD_SECONDS and done < total:
            return
        self.told_at = now
        job = change(self.records, self.lease.name, lambda found: replace(found, done=done, total=total), self.lease)
        if job.status is Status.STOPPING:
            raise _Stopped


def do(workspace: Workspace, name: str) -> None:
    """Do the job to its end. `Conflict` when another process does it."""
    records = workspace.records
    holder = records.holder(KIND, name)
    if holder is not None and not is_known_dead(holder.owner, Owner.of()):
        raise Conflict(f"transform job {name!r} is done by process {holder.owner.pid} already")
    lease = records.lease(KIND, name, Owner.of(), over=holder)
    job = transform_jobs.TransformJob.from_json(records.get(KIND, name).document)
    try:
        status, reason = _outcome(workspace, job, _Progress(records, lease))
        change(records, name, lambda found: found.moved(status, at=time.time(), reason=reason), lease)
    finally:
        records.release(lease)


def inputs_of(location: Path) -> list[Input]:
    """The files at a location, by their keys: a file by itself has its name, those of a folder their paths in it."""
    if location.is_file():
        return [Input(location.name, location)]
    found = [Path(folder, name) for folder, _, names in os.walk(location, followlinks=True) for name in names]
    return sorted((Input(path.relative_to(location).as_posix(), path) for path in found), key=lambda one: one.key)


def _outcome(workspace: Workspace, job: TransformJob, progress: Callable[[int, int], None]) -> tuple[Status, str]:
    try:
        inputs = inputs_of(Path(job.location))
        print(f"{len(inputs)} files from {job.location}", flush=True)
        progress(0, len(inputs))
        result = asyncio.run(_transform(workspace, job, inputs, progress))
    except _Stopped:
        return Status.STOPPED, ""
    except LeaseLost:
        raise
    except TintypeError as error:
        print(f"failed: {error}", flush=True)
        return Status.FAILED, f"{'ClientError' if error.http_status < 500 else 'AlgorithmError'}: {error}"
    for key, why in result.problems:
        print(f"{key}: {why}", flush=True)
    print(f"{result.done} answered, {result.passed_over} had been before, {len(result.problems)} failed", flush=True)
    if not result.problems:
        return Status.COMPLETED, ""
    shown = "; ".join(f"{key}: {why}" for key, why in result.problems[:REASONS_SHOWN])
    return Status.FAILED, f"ClientError: {len(result.problems)} of {len(inputs)} files have no answer: {shown}"


async def _transform(
    workspace: Workspace, job: TransformJob, inputs: list[Input], progress: Callable[[int, int], None]
) -> Transformed:
    definition = ModelDefinition(
        archive=job.archive,
        name="transform",
        source=job.code,
        environment=job.environment,
        instance_type=job.instance_type,
        workers=job.workers,
    )
    settings = ServerSettings(queue_capacity=job.concurrent + 1)
    loop = asyncio.get_running_loop()
    nursery = Nursery()
    with tempfile.TemporaryDirectory(prefix="tintype-transform-") as scratch:
        around = Surroundings(nursery, Path(scratch), Metrics(), workspace.home / ENVIRONMENTS)
        replicas = None
        try:
            replicas = await Replicas.start(definition, settings, around)

            def invoke(body: bytes, content_type: str, accept: str) -> bytes:
                if len(body) > job.body_limit_bytes:
                    raise TooLarge(f"has {len(body):,} bytes, and the limit is {job.body_limit_bytes:,}")
                deadline = time.monotonic() + job.timeout_seconds
                asked = Invocation(os.urandom(8).hex(), body, content_type, accept, deadline)
                answer = asyncio.run_coroutine_threadsafe(replicas.invoke(asked), loop).result()
                if answer.status >= 400:
                    raise JobFailed(answer.content.decode(errors="replace"))
                return answer.content + job.ending.encode()

            return await asyncio.to_thread(
                transform,
                invoke,
                inputs,
                Path(job.destination),
                content_type=job.content_type,
                accept=job.accept,
                concurrent=job.concurrent,
                since=job.created_at,
                progress=progress,
            )
        finally:
            if replicas is not None:
                await replicas.stop()
            nursery.close()


def main(arguments: list[str]) -> int:
    """The entry point: 0 when the job has come to an end that its record tells."""
    return run_as_process("tintype.pipeline.transformer", arguments, do)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
