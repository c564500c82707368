"""A workspace: one folder on disk, the stores opened over it, and the engine that does its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tintype.jobs.client import PRELOAD, Engine
from tintype.jobs.store import JobStore
from tintype.records import Records
from tintype.settings import Settings

TRAINER = "tintype.training.preloaded"      # loaded before jobs are forked, as most of them run it
ENDPOINTS = "endpoints"         # their folder
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

    def engine(self) -> Engine:
        """A connection to the engine; close it when done (it is a context manager). One thread uses it."""
        return Engine(self.settings, self.jobs, preload=f"{PRELOAD},{TRAINER}")

    def job_directory(self, name: str) -> Path:
        """Where the files of a training job are."""
        return self.home / "jobs" / name

    def tuning_directory(self, name: str) -> Path:
        """Where the log of a tuning job's coordinator is; its trials are jobs like all others."""
        return self.home / "tuning" / name

    def run_directory(self, name: str) -> Path:
        """Where the report and the result of a run are."""
        return self.home / "runs" / name

    def endpoint_directory(self, name: str) -> Path:
        """Where the log and the state of an endpoint are."""
        return self.home / ENDPOINTS / name


@contextmanager
def open_workspace(settings: Settings) -> Iterator[Workspace]:
    """Open the stores, making them on first use. Raises `StorageFailed`."""
    records = Records.open(settings.records_url)
    try:
        yield Workspace(settings, records, JobStore(records))
    finally:
        records.close()
