"""`tintype predict`: what is on these images?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from tintype.cli.invocation import Invocation
from tintype.cli.output_file import output_option
from tintype.errors import InvalidRequest
from tintype.pipeline.deployment import classifier
from tintype.serving.batch.file_predictions import (
    Classify,
    FilePrediction,
    FileProblem,
    Outcome,
    Readable,
    predict_files,
    write_csv,
    write_jsonl,
)
from tintype.serving.batch.journal import open_journal, predict_resumably
from tintype.serving.batch.remote_files import files_of
from tintype.storage import is_stream

SHOWN = 50
MANY = 100                  # files from which on progress is shown
JOURNAL_SUFFIX = ".progress"


def predict(
    call: Invocation,
    target: Annotated[
        str, typer.Argument(metavar="ENDPOINT", help="An endpoint or its URL; or what `deploy` takes.")
    ],
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE|FOLDER", help="What to classify; URLs such as s3://bucket/prefix too.")
    ],
    csv: Annotated[Path | None, output_option("--csv", "Write the predictions to a CSV file.")] = None,
    jsonl: Annotated[Path | None, output_option("--jsonl", "Write one JSON object per line to a file.")] = None,
    top: Annotated[int, typer.Option(min=1, help="So many classes per image.")] = 5,
    workers: Annotated[int, typer.Option(min=1, max=256, help="So many images at a time.")] = 4,
) -> None:
    """Classify images, by an endpoint or without a server. A file that is no image is reported and passed over.

    With --csv or --jsonl, a run that was ended goes on where it was when the same command is given again.
    """
    written = [one for one in (csv, jsonl) if one is not None]
    if csv is not None and csv == jsonl:
        raise InvalidRequest(f"--csv and --jsonl both name {csv}; give each a file of its own")
    journal = next((journal_of(one) for one in written if not is_stream(one)), None)
    with call.workspace() as workspace, classifier(workspace, target, top) as (who, classify):
        files = files_of(images)
        found = _outcomes(call, classify, files, who, journal, workers)
        if csv is not None:
            write_csv(csv, found, top)
        if jsonl is not None:
            write_jsonl(jsonl, found)
        if journal is not None:
            journal.unlink(missing_ok=True)
    _tell(call, found, written)


def journal_of(written: Path) -> Path:
    """Where the progress towards a file is kept."""
    return written.with_name(written.name + JOURNAL_SUFFIX)


def _outcomes(
    call: Invocation, classify: Classify, files: list[Readable], who: object, journal: Path | None, workers: int
) -> list[Outcome]:
    with _shown(call, len(files)) as progress:
        if journal is None:
            found = []
            for outcome in predict_files(classify, files, workers):
                found.append(outcome)
                progress(len(found), len(files))
            return found
        with open_journal(journal, who) as kept:
            return list(predict_resumably(classify, files, kept, workers=workers, progress=progress))


@contextmanager
def _shown(call: Invocation, files: int) -> Iterator[Callable[[int, int], None]]:
    columns = (BarColumn(), MofNCompleteColumn(), "files", TimeRemainingColumn())
    hidden = files < MANY or not call.console.is_terminal
    with Progress(*columns, console=call.console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=files)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tell(call: Invocation, found: list[Outcome], written: list[Path]) -> None:
    good = [one for one in found if isinstance(one, FilePrediction)]
    bad = [one for one in found if isinstance(one, FileProblem)]
    table = Table(box=None, padding=(0, 2))
    for column in ("file", "label", "probability"):
        table.add_column(column, justify="right" if column == "probability" else "left", overflow="fold")
    for one in good[:SHOWN]:
        table.add_row(escape(one.file), escape(one.label), f"{one.probability:.1%}")
    if good:
        call.say(table)
    if len(good) > SHOWN:
        call.say(f"... and {len(good) - SHOWN} more; --csv FILE or --jsonl FILE writes them all")
    for one in bad:
        call.say(f"[yellow]![/] {escape(one.file)}: {escape(one.reason)}")
    for path in written:
        call.say(f"wrote {len(found)} rows to {escape(str(path))}")
    problems = [{"file": one.file, "reason": one.reason} for one in bad]
    call.answer({"predictions": [one.to_json() for one in good], "problems": problems})
    if not good:
        which = f"{bad[0].file} cannot" if len(bad) == 1 else f"none of the {len(bad)} files can"
        raise InvalidRequest(f"{which} be classified: {bad[0].reason}")
