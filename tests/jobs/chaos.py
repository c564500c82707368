"""Kill random processes of the engine at random moments, and check that every job ends in a true state.

`python -m tests.jobs.chaos --rounds 200 [--seed 1]`, or `make chaos`. A round kills or freezes one process, or all of
them as a power cut would, while a handful of jobs is on its way. At the end of all: no job is unfinished or was run by
two at once or more often than it may be, what is recorded is what the programs did, all artifacts can be read, and
nothing is left running.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import final

import psutil

from tests.jobs.running_engine import QUICK, Home, home_in, until
from tintype.errors import Conflict
from tintype.jobs.client import Engine
from tintype.jobs.job import Job, MetricDefinition, Resources, Status
from tintype.jobs.reconciliation import LOST_TRIAL_RETRIES

ON_THE_WAY = 4                  # jobs at any time
STEPS = 4
LOSS = MetricDefinition("loss", r"loss: (?P<value>[\d.]+)")

# It notes what it does in a diary of its own, and holds a lock, to find out whether another attempt still runs.
PROGRAM = """
import fcntl, os, subprocess, sys, time
diary = open(os.path.join(sys.argv[2], os.environ["TRAINING_JOB_NAME"]), "a", buffering=1)
try:
    fcntl.flock(diary, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    diary.write("overlap\\n")
diary.write("began\\n")
os.set_inheritable(diary.fileno(), True)
child = subprocess.Popen(["sleep", "600"], start_new_session=True, close_fds=False)
for step in range(STEPS):
    time.sleep(float(sys.argv[4]) * (step + 1) / STEPS)
    print(f"loss: 0.{step}", flush=True)
open(os.path.join(os.environ["SM_MODEL_DIR"], "model"), "w").write("x" * 10000)
diary.write("ended\\n")
""".replace("STEPS", str(STEPS))


@final
class Chaos:
    """One engine under attack. `rounds` may be called once."""

    def __init__(self, home: Home, engine: Engine, seed: int) -> None:
        self.home = home
        self.engine = engine
        self.random = random.Random(seed)
        self.diaries = home.settings.home.parent / "diaries"
        self.diaries.mkdir()
        self.program = home.script(PROGRAM)
        self.names: list[str] = []
        self.deeds: Counter[str] = Counter()
        self.frozen: list[int] = []

    def rounds(self, count: int) -> None:
        """Attack so often, and let everything that is still on its way end in peace."""
        for _ in range(count):
            self.submit()
            self.await_a_victim()
            until_then = time.monotonic() + self.random.uniform(0.0, 0.3)
            while (left := until_then - time.monotonic()) > 0:
                self.engine.pause(left)         # as any client does: it sees to it that there is an agent
            deed = self.random.choice(self.deeds_by_weight())
            deed()
            self.deeds[deed.__name__] += 1
        for name in self.names:
            self.engine.wait(name, timeout=120)
        self.thaw()

    def await_a_victim(self) -> None:
        """Give the engine the time to come up again and have something to lose."""
        deadline = time.monotonic() + 20
        while not self.home.store.holders() and time.monotonic() < deadline:
            self.engine.pause(0.02)
            self.submit()

    def submit(self) -> None:
        """Keep some jobs on their way, of several kinds."""
        while len(self.home.store.unfinished()) < ON_THE_WAY:
            name = f"job-{len(self.names)}"
            seconds = self.random.choice((0.0, 0.2, 0.6))
            spec = replace(
                self.program,
                hyperparameters={"diary": str(self.diaries), "seconds": str(seconds)},
                retries=self.random.choice((0, 1, 3)),
                metric_definitions=(LOSS,),
                resources=Resources(cores=1, gpus=0, instance_count=1),
                warm=self.random.random() < 0.9,
            )
            self.engine.submit(spec, name, parent=self.random.choice(("", "tuning")))
            self.names.append(name)

    def deeds_by_weight(self) -> list[Callable[[], None]]:
        """What may happen in a round."""
        return [
            *[self.kill_supervisor] * 3, *[self.kill_trainer] * 3, self.kill_agent, self.kill_fork_server,
            self.freeze_supervisor, self.thaw, self.stop_a_job, self.cut_the_power,
        ]  # fmt: skip

    def kill_agent(self) -> None:
        self._kill("tintype-agent")

    def kill_fork_server(self) -> None:
        self._kill("tintype-zygote")

    def kill_supervisor(self) -> None:
        for pid in self._supervisors()[:1]:
            self._signal(pid, signal.SIGKILL)

    def kill_trainer(self) -> None:
        for job in self._shuffled():
            pids = [pid for pid in self.home.processes_of(job) if pid not in self._supervisors()]
            if pids:
                self._signal(self.random.choice(pids), signal.SIGKILL)
                return

    def freeze_supervisor(self) -> None:
        for pid in self._supervisors()[:1]:
            self._signal(pid, signal.SIGSTOP)
            self.frozen.append(pid)

    def thaw(self) -> None:
        for pid in self.frozen:
            self._signal(pid, signal.SIGCONT)
        self.frozen.clear()

    def stop_a_job(self) -> None:
        for job in self._shuffled()[:1]:
            with contextlib.suppress(Conflict):
                self.engine.stop(job.name)

    def cut_the_power(self) -> None:
        self.kill_agent()
        self.kill_fork_server()
        for pid in self._supervisors():
            self._signal(pid, signal.SIGKILL)

    def check(self) -> Counter[str]:
        """Everything is as it should be. Returns how many jobs ended how."""
        jobs = [self.home.store.get(name) for name in self.names]
        for job in jobs:
            self._check(job)
            until(lambda job=job: not self.home.processes_of(job), what=lambda job=job: f"{job} has left processes")
        until(lambda: not self.home.store.holders())
        return Counter(f"{job.status} after {job.attempt}" for job in jobs)

    def _check(self, job: Job) -> None:
        assert job.spec is not None
        path = self.diaries / job.name
        diary = path.read_text().split() if path.exists() else []
        told = f"{job}\n{diary}"
        assert job.status.is_finished, told
        assert "overlap" not in diary, told
        most = max(job.spec.retries, LOST_TRIAL_RETRIES if job.parent else 0) + 1
        assert diary.count("began") <= job.attempt <= most, told
        # One that ended is run again only when its supervisor was killed before that was recorded, and it has retries.
        assert diary.count("ended") <= job.attempt, told
        if job.status is Status.COMPLETED:
            assert diary[-1] == "ended", told
            with tarfile.open(Path(job.directory) / "model.tar.gz") as archive:
                assert archive.getmember("model").size == 10_000, told
        if job.status is Status.COMPLETED and job.attempt == 1:
            assert [one.step for one in self.home.store.measurements(job.name)] == [*range(1, STEPS + 1)], told
        if job.status is Status.FAILED:
            assert any(why in job.failure_reason for why in ("killed", "SIGKILL", "no sign of life")), told
            assert job.spec.retries + 1 <= job.attempt, told

    def _shuffled(self) -> list[Job]:
        jobs = self.home.store.unfinished()
        self.random.shuffle(jobs)
        return jobs

    def _supervisors(self) -> list[int]:
        pids = [lease.owner.pid for lease in self.home.store.holders().values()]
        self.random.shuffle(pids)
        return pids

    def _kill(self, name: str) -> None:
        for process in self.home.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() == name:
                    process.kill()

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def run(root: Path, rounds: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """So many rounds in a new home below `root`. Returns what was done, and how the jobs ended."""
    with home_in(root, replace(QUICK, lease=2.0)) as home:
        with home.engine() as engine:
            chaos = Chaos(home, engine, seed)
            chaos.rounds(rounds)
            ends = chaos.check()
        return chaos.deeds, ends


def main() -> None:
    """As long as asked for, and say what happened."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tintype-chaos-") as root:
        deeds, ends = run(Path(root), asked.rounds, asked.seed)
    print(f"{asked.rounds} rounds: {dict(deeds)}")
    print(f"{sum(ends.values())} jobs, all accounted for: {dict(sorted(ends.items()))}")


if __name__ == "__main__":
    main()
