"""`tintype predict`: what is on these images?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tintype.cli.invocation import Invocation
from tintype.errors import InvalidRequest
from tintype.pipeline.deployment import outcomes
from tintype.serving.file_predictions import FilePrediction, FileProblem, write_csv

SHOWN = 50


def predict(
    call: Invocation,
    target: Annotated[
        str, typer.Argument(metavar="ENDPOINT", help="An endpoint or its URL; or a run, a job, a model.tar.gz.")
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE|FOLDER", help="What to classify.")],
    csv: Annotated[Path | None, typer.Option(help="Write the predictions to a CSV file.")] = None,
    top: Annotated[int, typer.Option(min=1, help="So many classes per image.")] = 5,
) -> None:
    """Classify images, by an endpoint or without a server. A file that is no image is reported and passed over."""
    with call.workspace() as workspace:
        found = outcomes(workspace, target, images, top)
    good = [one for one in found if isinstance(one, FilePrediction)]
    bad = [one for one in found if isinstance(one, FileProblem)]
    table = Table(box=None, padding=(0, 2))
    for column in ("file", "label", "probability"):
        table.add_column(column, justify="right" if column == "probability" else "left")
    for one in good[:SHOWN]:
        table.add_row(escape(one.file), escape(one.label), f"{one.probability:.1%}")
    call.say(table)
    if len(good) > SHOWN:
        call.say(f"... and {len(good) - SHOWN} more; --csv FILE writes them all")
    for one in bad:
        call.say(f"[yellow]![/] {escape(one.file)}: {escape(one.reason)}")
    if csv is not None:
        write_csv(csv.expanduser(), found)
        call.say(f"wrote {len(found)} rows to {escape(str(csv))}")
    problems = [{"file": one.file, "reason": one.reason} for one in bad]
    call.answer({"predictions": [one.to_json() for one in good], "problems": problems})
    if not good:
        raise InvalidRequest(f"none of the {len(bad)} files could be classified; the first: {bad[0].reason}")
