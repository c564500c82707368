"""`tintype jobs show NAME --watch`: a job as it goes on, drawn anew until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live as Screen
from rich.markup import escape
from rich.table import Table

from tintype.jobs.directory import JobDirectory
from tintype.profiler.live import Live, look_live

REFRESH_SECONDS = 1.0
SHARE = 0.2                             # of the time that may go into looking

Describe = Callable[[], dict[str, Any]]
FINISHED = {"Completed", "Failed", "Stopped"}


def watch_job(console: Console, describe: Describe, draw: Callable[[dict[str, Any]], Table]) -> dict[str, Any]:
    """Show the job until it has ended, and return what `describe` said at last. Ctrl-C leaves it running."""
    document = describe()
    with Screen(draw(document), console=console, auto_refresh=False, transient=False) as screen:
        while document["status"] not in FINISHED:
            begun = time.monotonic()
            document = describe()
            screen.update(draw(document), refresh=True)
            took = time.monotonic() - begun
            time.sleep(max(REFRESH_SECONDS, took / SHARE - took))
        screen.update(draw(document), refresh=True)
    return document


def live_of(directory: str) -> Live | None:
    """What the job in this directory does just now."""
    return look_live(JobDirectory(Path(directory)).profiler_output, time.time())


def add_live(table: Table, live: dict[str, Any]) -> None:
    """Rows of what is measured."""
    cores, own = _words("{:.0f}% of the machine", live["cpu_percent"]), live["job_cpu_percent"]
    machine = [cores, _words("{:.0f}% of a core by the job", own)]
    memory = [_words("{:.0f}%", live["memory_percent"]), _words("{:,.0f} MiB by the job", live["job_memory_mib"])]
    gpu = [_words("{:.0f}% busy", live["gpu_percent"]), _words("{:.0f}% of its memory", live["gpu_memory_percent"])]
    for name, parts in (("processors", machine), ("memory", memory), ("GPUs", gpu)):
        if any(parts):
            table.add_row(name, ", ".join(filter(None, parts)))
    if live["step_seconds"] is not None:
        wait = _words("{:.0f}% of it waiting for data", live["data_wait_percent"])
        step = f"{1000 * live['step_seconds']:,.1f} ms in the median of the last minute"
        table.add_row("a step", ", ".join(filter(None, (step, wait))))
        table.add_row("steps", f"{live['steps']:,}")
    if live["limiter"]:
        table.add_row("limited by", escape(f"{live['limiter']}: {live['evidence']}"))
        table.add_row("", f"[dim]{escape(live['change'])}[/]")


def _words(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value)
