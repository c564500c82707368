"""The agent comes and goes, is killed and replaced, and no job is lost, run twice or left lying."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.jobs.running_engine import ONE_CORE, QUICK, SECONDS, Home, home_in, until
from tintype.errors import Busy, Conflict, InvalidRequest, NotFound
from tintype.jobs.client import Engine
from tintype.jobs.instances import Machine
from tintype.jobs.job import MetricDefinition, Phase, Resources, Source, Status
from tintype.jobs.store import JobStore
from tintype.records import Records
from tintype.settings import Settings

WHOLE = Resources(cores=0, gpus=0)
SHORT = "import time\nprint('begun', flush=True)\ntime.sleep(0.5)\nprint('ended')\n"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with home_in(tmp_path) as home:
        yield home


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """For tests that neither kill anything nor look at how the engine comes and goes."""
    with home_in(tmp_path_factory.mktemp("shared")) as home:
        yield home


@pytest.fixture(scope="module")
def engine(shared_home: Home) -> Iterator[Engine]:
    with shared_home.engine() as engine:
        yield engine


def pid_of(home: Home, name: str) -> int:
    for process in home.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == name:
                return process.pid
    raise AssertionError(f"there is no {name}: {home.processes()}")


def test_nothing_runs_before_the_first_job_and_after_the_last(home: Home) -> None:
    with home.engine() as engine:
        assert not home.processes()
        engine.submit(home.script("print('x')"), "a")
        assert engine.wait("a", timeout=SECONDS).status is Status.COMPLETED
        assert home.processes()
    until(lambda: not home.processes())
    assert not (home.settings.home / "run" / "agent.sock").exists()
    assert (home.settings.home / "run").stat().st_mode & 0o077 == 0
    with home.engine() as engine:
        engine.submit(home.script("print('x')"), "b")
        assert engine.wait("b", timeout=SECONDS).status is Status.COMPLETED


def test_a_job_goes_on_when_its_client_is_killed(home: Home) -> None:
    code = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from tests.jobs.running_engine import Home, QUICK\nfrom tintype.jobs.client import Engine\n"
        "from tintype.jobs.job import JobSpec, Resources, Source\nfrom tintype.jobs.store import JobStore\n"
        "from tintype.records import Records\nfrom tintype.settings import Settings\n"
        f"settings = Settings(home=Path({str(home.settings.home)!r}))\n"
        "engine = Engine(settings, JobStore(Records.open(settings.records_url)), pace=QUICK, preload='json')\n"
        "engine.submit(JobSpec(Source('script', sys.argv[1]), resources=Resources(cores=1, gpus=0)), 'a')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    script = home.script(SHORT).source.entry_point
    subprocess.run([sys.executable, "-c", code, script], check=False, cwd=Path(__file__).parents[2])
    until(lambda: home.store.get("a").status is Status.COMPLETED)
    assert home.log("a") == "begun\nended\nCompleted\n"


def test_jobs_go_on_when_the_agent_is_killed(home: Home) -> None:
    with home.engine() as engine:
        engine.submit(home.script(SHORT, resources=WHOLE), "runs")
        engine.submit(home.script("print('x')", resources=WHOLE), "waits")
        home.until_said("runs", "begun")
        os.kill(pid_of(home, "tintype-agent"), signal.SIGKILL)
        until(lambda: home.store.get("runs").status is Status.COMPLETED)
        assert engine.wait("waits", timeout=SECONDS).status is Status.COMPLETED
    assert home.store.get("runs").attempt == home.store.get("waits").attempt == 1
    assert home.log("runs") == "begun\nended\nCompleted\n"


def test_jobs_go_on_when_the_fork_server_is_killed(home: Home) -> None:
    with home.engine() as engine:
        engine.submit(home.script(SHORT), "runs")
        home.until_said("runs", "begun")
        os.kill(pid_of(home, "tintype-zygote"), signal.SIGKILL)
        engine.submit(home.script("print('x')"), "next")
        assert engine.wait("runs", timeout=SECONDS).status is Status.COMPLETED
        assert engine.wait("next", timeout=SECONDS).status is Status.COMPLETED


def test_a_fork_server_that_cannot_be_had_is_done_without(tmp_path: Path, home: Home) -> None:
    home.preload = "antigravity_of_another_kind"
    with home.engine() as engine:
        engine.submit(home.script("print('x')"), "a")
        assert engine.wait("a", timeout=SECONDS).status is Status.COMPLETED
    assert "antigravity_of_another_kind" in (home.settings.home / "run" / "agent.log").read_text()


def test_after_a_restart_no_record_says_what_is_not_so(home: Home) -> None:
    with home.engine() as engine:
        engine.submit(home.script(SHORT + "time.sleep(600)", resources=ONE_CORE), "lost")
        engine.submit(home.script("print('x')", resources=WHOLE), "waits")
        home.until_said("lost", "begun")
        for process in (*home.processes(), psutil.Process(home.supervisor_of("lost"))):
            process.kill()
        assert engine.wait("lost", timeout=SECONDS).status is Status.FAILED
        assert engine.wait("waits", timeout=SECONDS).status is Status.COMPLETED


def test_one_agent_for_many_clients_at_once(home: Home) -> None:
    def client(number: int) -> None:
        records = Records.open(home.settings.records_url)
        try:
            with Engine(home.settings, JobStore(records), pace=QUICK, preload="json") as engine:
                engine.submit(spec, f"j{number}")
                assert engine.wait(f"j{number}", timeout=SECONDS).status is Status.COMPLETED
        finally:
            records.close()

    spec = home.script("print('x')")
    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: len(list((home.settings.home / "run").glob("agent.sock"))) == 1)
    for thread in threads:
        thread.join(SECONDS)
    assert [job.attempt for job in home.store.list()] == [1] * 6


def test_no_more_jobs_run_than_there_are_cores(shared_home: Home, engine: Engine) -> None:
    cores = Machine.here().cores
    text = (
        "import os, time\nfrom pathlib import Path\n"
        f"folder = Path({str(shared_home.scripts)!r})\n(folder / f'{{os.getpid()}}.running').touch()\n"
        "time.sleep(0.1)\nprint('at once', len(list(folder.glob('*.running'))))\n"
        "(folder / f'{os.getpid()}.running').unlink()\n"
    )
    spec = shared_home.script(text)
    for number in range(2 * cores + 1):
        engine.submit(spec, f"many{number}", parent="tuning")
    for number in range(2 * cores + 1):
        engine.wait(f"many{number}", timeout=SECONDS)
        assert int(shared_home.log(f"many{number}").split()[2]) <= cores


def test_what_is_wrong_at_once_is_refused_at_once(shared_home: Home, engine: Engine) -> None:
    spec = shared_home.script("print('x')")
    for wrong, why in (
        (replace(spec, resources=Resources(cores=10_000)), "asks for 10,000 cores"),
        (replace(spec, metric_definitions=(MetricDefinition("m", "("),)), "does not compile"),
        (replace(spec, source=Source("binary", "x")), "script or a module"),
        (replace(spec, max_runtime_seconds=0), "max_runtime_seconds"),
    ):
        with pytest.raises(InvalidRequest, match=why):
            engine.submit(wrong, "a")
    with pytest.raises(InvalidRequest, match="job name"):
        engine.submit(spec, "a/b")
    engine.submit(spec, "a")
    with pytest.raises(Conflict, match="'a' is there already"):
        engine.submit(spec, "a")
    engine.wait("a", timeout=SECONDS)
    with pytest.raises(Conflict, match="cannot become Stopping"):
        engine.stop("a")
    with pytest.raises(NotFound):
        engine.wait("nobody")


def test_waiting_may_have_an_end(shared_home: Home, engine: Engine) -> None:
    engine.submit(shared_home.script("import time; time.sleep(600)"), "patient")
    with pytest.raises(Busy, match=r"'patient' is still InProgress after 0\.3 seconds"):
        engine.wait("patient", timeout=0.3)
    engine.stop("patient")
    engine.wait("patient", timeout=SECONDS)


def test_a_store_in_memory_is_refused() -> None:
    records = Records.open("sqlite://")
    with pytest.raises(InvalidRequest, match="in memory"):
        Engine(Settings(database_url="sqlite://"), JobStore(records))
    records.close()


def test_a_home_with_a_long_path(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with home_in(deep) as home, home.engine() as engine:
        engine.submit(home.script("print('x')"), "a")
        assert engine.wait("a", timeout=SECONDS).status is Status.COMPLETED


def test_a_pause_ends_when_a_job_does(shared_home: Home, engine: Engine) -> None:
    engine.submit(shared_home.script(SHORT), "paused")
    shared_home.until_said("paused", "begun")
    engine.pause(0.0)
    began = time.monotonic()
    while shared_home.store.get("paused").phase is not Phase.COMPLETED:
        engine.pause(30.0)
    assert time.monotonic() - began < 30


def test_a_frozen_fork_server_is_replaced(home: Home) -> None:
    with home.engine() as engine:
        engine.submit(home.script("print('x')"), "first")
        engine.wait("first", timeout=SECONDS)
        os.kill(pid_of(home, "tintype-zygote"), signal.SIGSTOP)
        engine.submit(home.script("print('x')"), "second")
        assert engine.wait("second", timeout=SECONDS).status is Status.COMPLETED


def test_records_are_settled_without_anybody_waiting(home: Home) -> None:
    with home.engine() as engine:
        engine.submit(home.script(SHORT + "time.sleep(600)"), "lost")
        home.until_said("lost", "begun")
        for process in (*home.processes(), psutil.Process(home.supervisor_of("lost"))):
            process.kill()
    with home.engine() as engine:
        engine.settle()
        assert home.store.get("lost").status is Status.FAILED
    with home.engine() as engine:
        until(lambda: not home.processes())
        engine.settle()
        assert not home.processes()
