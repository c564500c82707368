"""A workspace: one folder on disk, and the stores opened over it. Fields only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tintype.jobs.store import JobStore
from tintype.records import Records
from tintype.settings import Settings

RUN_KIND = "run"                # records of whole runs; the other kinds belong to the parts that keep them


@final
@dataclass(frozen=True)
class Workspace:
    """What every command works on. Open it with `open_workspace`."""

    settings: Settings
    records: Records
    jobs: JobStore

    @property
    def home(self) -> Path:
        """The folder that everything is below."""
        return self.settings.home

    @property
    def data(self) -> Path:
        """Unpacked archives, fetched URLs and recorded splits."""
        return self.home / "data"

    def job_directory(self, name: str) -> Path:
        """Where the files of a training job are."""
        return self.home / "jobs" / name

    def run_directory(self, name: str) -> Path:
        """Where the report and the result of a run are."""
        return self.home / "runs" / name

    def endpoint_directory(self, name: str) -> Path:
        """Where the log and the state of an endpoint are."""
        return self.home / "endpoints" / name


@contextmanager
def open_workspace(settings: Settings) -> Iterator[Workspace]:
    """Open the stores, making them on first use. Raises `StorageFailed`."""
    records = Records.open(settings.database_url or f"sqlite:///{settings.home / 'tintype.db'}")
    try:
        yield Workspace(settings, records, JobStore(records))
    finally:
        records.close()
