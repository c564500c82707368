"""What one would look at first when something failed against a server of ours: cells, logs, jobs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tintype.records import Record, Records
from tintype.settings import Settings

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LOGS = (
    "server.log", "run/agent.log", "tuning/*/coordinator.log", "transform-jobs/*/transform.log",
    "endpoints/*/*/server.log",
)  # fmt: skip
KINDS = ("training-job", "tuning-job", "transform-job", "endpoint")
NEWEST = 8                          # of each kind
TAIL_LINES = 60


def postmortem(home: Path, notebook: Path | None = None) -> str:
    """The failing cell's traceback, the tails of the logs of a home, and how everything in its records stands."""
    parts = [] if notebook is None else list(_errors_in(notebook))
    logs = [path for pattern in LOGS for path in sorted(home.glob(pattern))]
    parts += [f"--- {path.relative_to(home)}\n{_tail(path)}" for path in logs]
    records = Records.open(Settings(home=home).records_url)
    try:
        newest = [one for kind in KINDS for one in records.list(kind, limit=NEWEST)]
        parts += [f"--- {one.kind} {_standing(one)}" for one in newest]
    finally:
        records.close()
    return "\n".join(parts)


def _errors_in(notebook: Path) -> Iterator[str]:
    """A cell that ran out of time has no traceback: it is the last that was begun. The SDK has its tracebacks shown."""
    if not notebook.exists():
        yield "--- no cell was executed"
        return
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    begun = [cell for cell in cells if cell["outputs"] or cell["execution_count"]]
    for cell in begun[-1:]:
        yield f"--- the last cell that was begun\n{''.join(cell['source'])}"
        for output in cell["outputs"]:
            said = output.get("traceback") or [output.get("text") or output.get("data", {}).get("text/plain", "")]
            yield COLOURS.sub("", "\n".join("".join(one) for one in said))


def _standing(record: Record) -> str:
    """Its status and reason; the end of its log when it is a job that did not complete."""
    document = record.document
    reason = document.get("failure_reason") or document.get("reason") or ""
    line = f"{record.name}: {record.status} {reason}"
    log = Path(document.get("directory", "/nowhere")) / "logs" / "training.log"
    return line if record.status == "Completed" or not log.exists() else f"{line}\n{_tail(log)}"


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-TAIL_LINES:])
