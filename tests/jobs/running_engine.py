"""A real engine in a folder of its own, at a pace for tests, and what is left of it afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil

from tintype.jobs import processes
from tintype.jobs.client import Engine
from tintype.jobs.job import Job, JobSpec, Resources, Source
from tintype.jobs.pace import Pace
from tintype.jobs.store import JobStore
from tintype.records import Records
from tintype.settings import Settings

QUICK = Pace(tick=0.1, heartbeat=0.1, lease=3.0, grace=3.0, flush=0.05, settle=0.05)
LIGHT = "json"  # what the fork server loads: nothing that takes time
SECONDS = 120.0                     # others may use the machine too
ONE_CORE = Resources(cores=1, gpus=0)


class Home:
    """One home, its store, and the scripts that its jobs run."""

    def __init__(self, root: Path, pace: Pace = QUICK, preload: str = LIGHT) -> None:
        self.settings = Settings(home=root / "home")
        self.settings.home.mkdir(parents=True)
        self.scripts = root / "scripts"
        self.scripts.mkdir()
        self.records = Records.open(self.settings.records_url)
        self.store = JobStore(self.records)
        self.pace = pace
        self.preload = preload
        self._count = 0

    def engine(self) -> Engine:
        return Engine(self.settings, self.store, pace=self.pace, preload=self.preload)

    def script(self, text: str, **asked: object) -> JobSpec:
        """What is asked for when a script of this text is to be run."""
        self._count += 1
        path = self.scripts / f"script{self._count}.py"
        path.write_text(text)
        spec = JobSpec(Source("script", str(path)), resources=ONE_CORE)
        return replace(spec, **asked)  # type: ignore[arg-type]

    def log(self, name: str, host: str = "training") -> str:
        """What a job has said, without the times."""
        path = Path(self.store.get(name).directory) / "logs" / f"{host}.log"
        return "".join(line.partition(" ")[2] for line in path.read_text().splitlines(keepends=True))

    def until_said(self, name: str, text: str) -> None:
        """Wait until a job's log has `text`."""
        path = Path(self.store.get(name).directory) / "logs" / "training.log"
        until(lambda: path.exists() and text in path.read_text())

    def supervisor_of(self, name: str) -> int:
        """The process that looks after a job."""
        lease = self.store.holder(name)
        assert lease is not None
        return lease.owner.pid

    def processes(self) -> list[psutil.Process]:
        """The engine's own processes of this home."""
        mine = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if str(self.settings.home) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                    mine.append(process)
        return mine

    def processes_of(self, job: Job) -> list[int]:
        """All processes of a job, whatever attempt."""
        marks = [processes.mark_of(self.settings.home, job.name, attempt) for attempt in range(job.attempt + 2)]
        return [pid for pid in processes.marked(marks) if processes.is_running(pid)]


@contextlib.contextmanager
def home_in(root: Path, pace: Pace = QUICK, preload: str = LIGHT) -> Iterator[Home]:
    """A home; at the end of the block it is made sure that nothing of it still runs."""
    home = Home(root, pace, preload)
    try:
        yield home
        if not home.store.unfinished():  # else a test has failed, and said why
            until(lambda: not home.processes(), what=lambda: f"still running: {home.processes()}")
    finally:
        for process in home.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        home.records.close()


def until(done: Callable[[], bool], seconds: float = SECONDS, what: Callable[[], str] = lambda: "") -> None:
    """Wait until `done`; an AssertionError when that takes too long."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)
