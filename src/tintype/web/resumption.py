"""What goes on when the machine was restarted, or its process was killed: a server sees to it at its start.

Jobs, tuning jobs, transforms and endpoints all outlive a server by themselves; this is for those that did not live.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from tintype.errors import TintypeError
from tintype.pipeline import coordination, transform_jobs
from tintype.pipeline.tuning_plan import PLAN_KIND
from tintype.serving.endpoints.endpoint import DOWN
from tintype.serving.endpoints.store import Endpoints
from tintype.tuning.state import TuningStatus
from tintype.tuning.store import TUNING_KIND
from tintype.web.api.kept_requests import TUNING_REQUEST
from tintype.web.context import Context
from tintype.workspace import Workspace

log = logging.getLogger(__name__)


@asynccontextmanager
async def work_resumed(context: Context) -> AsyncIterator[None]:
    """A lifespan of the application. What goes wrong is logged, and keeps no server from starting."""
    for kind, resume in RESUMED.items():
        try:
            for name in await asyncio.to_thread(resume, context.workspace):
                log.info("%s %s goes on", kind, name)
        except TintypeError as error:
            log.warning("a %s could not be resumed: %s", kind, error)
    yield


def resume_tuning_jobs(workspace: Workspace) -> list[str]:
    """Start a coordinator for each tuning job of the API that has lost its own, also before its first word; returns
    their names. Those of the command line are left to `tintype tuning resume`.
    """
    records, begun = workspace.records, []
    left = {record.name for record in records.list(TUNING_KIND, status=TuningStatus.IN_PROGRESS.value)}
    asked, said = set(records.names(TUNING_REQUEST)), set(records.names(TUNING_KIND))
    for name in sorted(asked & (left | set(records.names(PLAN_KIND)) - said)):
        if coordination.tuning_state(records, name).status is TuningStatus.STOPPED:
            coordination.resume(workspace, name).leave()
            begun.append(name)
    return begun


def revive_endpoints(workspace: Workspace) -> list[str]:
    """Start each endpoint that should serve and does not; returns their names."""
    endpoints = Endpoints(workspace.records)
    down = [one.name for one in endpoints.list() if one.status in DOWN]
    endpoints.revive_all()
    return down


RESUMED: Mapping[str, Callable[[Workspace], list[str]]] = {
    "tuning job": resume_tuning_jobs,
    "transform job": transform_jobs.resume_all,
    "endpoint": revive_endpoints,
}
