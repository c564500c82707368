"""What would stop a run after minutes of training, looked for before it begins."""

from __future__ import annotations

from collections.abc import Sequence

from tintype.errors import Conflict
from tintype.pipeline.coordination import is_taken
from tintype.pipeline.run_record import is_vacant, training_of
from tintype.serving.batch.remote_files import files_of
from tintype.serving.endpoints.store import KIND as ENDPOINT_KIND
from tintype.workspace import RUN_KIND, Workspace


def foresee(workspace: Workspace, name: str, *, predict: Sequence[str], deploy: bool) -> None:
    """Raise `Conflict` when one of the names that run `name` will need is taken, `NotFound` for images to be asked
    about that are not there.
    """
    records = workspace.records
    run, training = records.find(RUN_KIND, name), training_of(name)
    taken = {
        f"tintype tuning delete {name}": is_taken(records, name),
        f"tintype jobs delete {training}": workspace.jobs.exists(training),
    }
    in_the_way = [command for command, is_there in taken.items() if is_there]
    if in_the_way or (run is not None and not is_vacant(workspace, run)):
        what = f"a run named {name!r}" if run is not None else f"what a run named {name!r} would make"
        hint = f", or delete it first ({', '.join(in_the_way)})" if in_the_way else ""
        raise Conflict(f"{what} is there already; choose another name{hint}")
    if deploy and records.find(ENDPOINT_KIND, name) is not None:
        hint = f"delete it first (tintype endpoints delete {name}), or choose another name"
        raise Conflict(f"there already is an endpoint named {name!r}; {hint}")
    if predict:
        files_of(predict)
