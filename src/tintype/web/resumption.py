"""Tuning jobs go on when the machine was restarted, or their coordinator was killed: a server sees to it at its start.

They outlive a server by themselves, as does every job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tintype.errors import TintypeError
from tintype.pipeline import coordination
from tintype.tuning.state import TuningStatus
from tintype.tuning.store import TUNING_KIND
from tintype.web.api.kept_requests import TUNING_REQUEST
from tintype.web.context import Context
from tintype.workspace import Workspace

log = logging.getLogger(__name__)


@asynccontextmanager
async def tuning_jobs_resumed(context: Context) -> AsyncIterator[None]:
    """A lifespan of the application. What goes wrong is logged, and keeps no server from starting."""
    try:
        for name in await asyncio.to_thread(resume_tuning_jobs, context.workspace):
            log.info("tuning job %s goes on", name)
    except TintypeError as error:
        log.warning("a tuning job could not be resumed: %s", error)
    yield


def resume_tuning_jobs(workspace: Workspace) -> list[str]:
    """Start a coordinator for each tuning job of the API that has lost its own; returns their names.

    Those of the command line are left to `tintype tuning resume`.
    """
    records, begun = workspace.records, []
    for record in records.list(TUNING_KIND, status=TuningStatus.IN_PROGRESS.value):
        if records.find(TUNING_REQUEST, record.name) is None:
            continue
        if coordination.tuning_state(records, record.name).status is TuningStatus.STOPPED:
            begun.append(coordination.resume(workspace, record.name))
    for coordinator in begun:
        coordinator.wait_until_begun()
        coordinator.leave()
    return [coordinator.name for coordinator in begun]
