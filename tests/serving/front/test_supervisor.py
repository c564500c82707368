"""The process tree: whoever is killed under load is replaced, and nothing is left at the end. Real processes."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.serving.running_server import PATIENCE_SECONDS, RunningServer
from tintype.jobs.processes import is_running

Starter = Callable[..., RunningServer]


def everything(running: RunningServer) -> list[int]:
    return [running.process.pid, *(one.pid for one in psutil.Process(running.process.pid).children(recursive=True))]


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


class Load:
    """Callers that ask again and again; what they were answered is counted."""

    def __init__(self, running: RunningServer, content: bytes, callers: int = 4) -> None:
        self.statuses: Counter[int | str] = Counter()
        self._running, self._content, self._stop = running, content, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]

    def __enter__(self) -> Load:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._threads:
            one.join(PATIENCE_SECONDS)

    def _ask(self) -> None:
        with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as http:
            while not self._stop.is_set():
                try:
                    answer = http.post(f"{self._running.url}/invocations", content=self._content, headers=PNG)
                    self.statuses[answer.status_code] += 1
                except httpx.TransportError as error:
                    self.statuses[type(error).__name__] += 1

    def answered(self, count: int) -> None:
        """Wait until so many more were answered well."""
        until = self.statuses[200] + count
        wait_for(lambda: self.statuses[200] >= until)


def kill_one(running: RunningServer, name: str, number: signal.Signals = signal.SIGKILL) -> None:
    """Kill a process of that name, and wait until another has taken its place."""
    before = running.named(name)
    os.kill(before[0], number)
    wait_for(lambda: len(running.named(name)) == len(before) and running.named(name) != before)


PNG = {"Content-Type": "image/png"}


@pytest.mark.parametrize("name", ["network", "decoder"])
def test_a_worker_that_is_killed_under_load_costs_no_request(start_server: Starter, archive, picture, name) -> None:
    running = start_server(archive, "--decoders=2", "--workers=1")
    with Load(running, picture()) as load:
        load.answered(20)
        for _ in range(3):
            kill_one(running, name)
            load.answered(10)
    assert set(load.statuses) == {200}
    text = running.http.get("/metrics").text
    assert f'kind="{name.replace("network", "worker")}s",variant="model",why="crash"}} 3.0' in text
    assert "ended by itself: SIGKILL" in running.log.read_text()


def ping(running: RunningServer) -> int:
    return running.http.get("/ping").status_code


def test_ping_is_503_while_no_worker_lives_and_200_when_one_does(start_server: Starter, archive, picture) -> None:
    """The fork server is stopped, so that a worker that is killed cannot come back."""
    running = start_server(archive, "--workers=2")
    (nursery,) = running.named("nursery")
    first, second = running.named("network")
    os.kill(nursery, signal.SIGSTOP)
    try:
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not is_running(first))
        assert running.invoke(picture(), "image/png").status_code == 200
        assert ping(running) == 200                 # the other one answers
        os.kill(second, signal.SIGKILL)
        wait_for(lambda: ping(running) == 503)
    finally:
        os.kill(nursery, signal.SIGCONT)
    wait_for(lambda: ping(running) == 200)
    assert running.invoke(picture(), "image/png").status_code == 200


ONCE = """
import os, signal
def model_fn(model_dir):
    if os.path.exists({gate!r}):
        raise RuntimeError("not again")
    return ""
def transform_fn(model, body, content_type, accept):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_ping_is_503_while_a_script_cannot_be_started_again(
    start_server: Starter, archive, tmp_path: Path
) -> None:
    script, gate = tmp_path / "serve.py", tmp_path / "gate"
    script.write_text(ONCE.format(gate=str(gate)))
    running = start_server(archive, "--entry-point", str(script))
    assert ping(running) == 200
    gate.touch()
    assert running.invoke(b"x").status_code == 500
    wait_for(lambda: "the script could not be started again" in running.log.read_text())
    assert ping(running) == 503
    gate.unlink()
    wait_for(lambda: ping(running) == 200)


def test_a_fork_server_that_is_killed_is_replaced_with_all_below_it(start_server: Starter, archive, picture) -> None:
    running = start_server(archive)
    with Load(running, picture()) as load:
        load.answered(10)
        old = everything(running)
        (nursery,) = running.named("nursery")
        os.kill(nursery, signal.SIGKILL)
        wait_for(lambda: (now := running.named("network")) and not set(now) & set(old))
        load.answered(10)
    assert set(load.statuses) <= {200, 400, 500}            # those who were in its hands twice
    assert load.statuses[400] + load.statuses[500] <= 4
    assert running.named("front")[0] in old


def test_a_front_that_is_killed_comes_again_and_connections_wait_for_it(
    start_server: Starter, archive, picture
) -> None:
    running = start_server(archive)
    old = everything(running)[1:]
    os.kill(running.named("front")[0], signal.SIGKILL)
    answer = running.invoke(picture(), "image/png")
    assert answer.json()["predictions"][0]["label"] == "red"
    wait_for(lambda: not any(map(is_running, old)))
    wait_for(lambda: len(everything(running)) == len(old) + 1)


def test_a_supervisor_that_is_killed_takes_all_with_it(start_server: Starter, archive, picture) -> None:
    running = start_server(archive)
    found = everything(running)
    with Load(running, picture(), callers=2) as load:
        load.answered(5)
        running.process.kill()
        wait_for(lambda: not any(map(is_running, found)))
    assert running.is_gone()


def test_sigterm_leaves_nothing_even_when_the_front_was_just_killed(start_server: Starter, archive) -> None:
    running = start_server(archive, "--drain-seconds=1")
    (front,) = running.named("front")
    os.kill(front, signal.SIGKILL)
    wait_for(lambda: not is_running(front))
    found = everything(running)             # the next one is on its way
    running.process.terminate()
    assert running.process.wait(PATIENCE_SECONDS) == 0
    assert not any(map(is_running, found))
    assert running.is_gone()


def test_a_front_that_does_not_end_is_killed(start_server: Starter, archive) -> None:
    running = start_server(archive, "--drain-seconds=0")
    os.kill(running.named("front")[0], signal.SIGSTOP)
    found = everything(running)
    running.process.terminate()
    assert running.process.wait(PATIENCE_SECONDS) == 0
    assert not any(map(is_running, found))


def test_the_scratch_folder_does_not_grow_when_fronts_are_killed(start_server: Starter, archive) -> None:
    running = start_server(archive)
    scratch: Path = running.log.parent / "scratch"
    for _ in range(2):
        kill_one(running, "front")
        assert httpx.get(f"{running.url}/ping", trust_env=False, timeout=PATIENCE_SECONDS).status_code == 200
        assert len(list(scratch.iterdir())) == 1
    running.process.terminate()
    running.process.wait(PATIENCE_SECONDS)
    assert not scratch.exists()


@pytest.mark.parametrize("kind", ["network", "script"])
def test_who_removes_the_unpacked_files_takes_nothing_for_long(
    start_server: Starter, archive: Path, picture, tmp_path: Path, kind: str
) -> None:
    """As a cleaner of /tmp does. Processes live on; once one has to be started anew, the files are unpacked again."""
    script = tmp_path / "serve.py"
    script.write_text("""
import os
def model_fn(model_dir):
    return os.listdir(model_dir)
def transform_fn(model, body, content_type, accept):
    if body == b"die":
        os._exit(1)
    return "\\n".join(model)
""")
    running = start_server(archive, *(("--entry-point", str(script)) if kind == "script" else ()), "--drain-seconds=1")
    assert running.invoke(picture()).status_code == 200
    shutil.rmtree(running.log.parent / "scratch")
    assert running.invoke(picture()).status_code == 200
    front = running.named("front")
    if kind == "network":
        os.kill(running.named("network")[0], signal.SIGKILL)
    else:
        assert running.invoke(b"die").status_code == 500
    wait_for(lambda: running.named("front") not in ([], front))
    answer = running.invoke(picture())
    assert answer.status_code == 200
    if kind == "script":
        assert "description.json" in answer.text
