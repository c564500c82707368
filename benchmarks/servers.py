"""Servers under measurement: ours and the peers', each started as its documentation says, in an environment of its own.

A peer's environment is made on demand, `.venv-bench-<name>` beside `.venv`, which it sees: torch and ONNX Runtime are
there already, and both sides use the same ones.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import psutil

from benchmarks.measuring import PEERS, REPOSITORY, anonymous_bytes
from tintype.models.pixel_blocks import PixelBlocks

# name -> what pip installs; the versions that the figures in docs/benchmarks.md were measured with are written there
PACKAGES = {"litserve": "litserve>=0.2", "ray": "ray[serve]>=2.40", "bentoml": "bentoml>=1.4"}
READY_SECONDS, END_SECONDS = 180, 20
POLL_SECONDS = 0.005
CORES = len(os.sched_getaffinity(0))
REST_SECONDS, MOST_RESTS, IDLE = 0.5, 20, 0.1       # idle: less than a tenth of a core


@dataclass(frozen=True)
class Model:
    """One network, as each of the servers wants it."""

    network: str
    archive: Path               # the folder of ours
    onnx: Path                  # float32
    integers: Path              # in integers, for normalised floats, as ONNX Runtime's own quantiser makes it
    blocks: PixelBlocks | None  # in which the archive's integers take pixels


@dataclass(frozen=True)
class Side:
    """A server and how it is asked."""

    title: str
    command: list[str]
    form: str                   # one of `load.FORMS`
    route: str                  # where photographs are posted
    health: str                 # answers 200 when it is ready
    environment: dict[str, str]


@final
class Running:
    """A server that answers."""

    def __init__(self, process: subprocess.Popen[bytes], side: Side, port: int, ready_seconds: float) -> None:
        self.root = psutil.Process(process.pid)
        self.side, self.ready_seconds = side, ready_seconds
        self.url = f"http://127.0.0.1:{port}{side.route}"

    @property
    def tree(self) -> list[psutil.Process]:
        """Its processes."""
        return [self.root, *self.root.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Of all its processes so far."""
        total = 0.0
        for process in self.tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                spent = process.cpu_times()
                total += spent.user + spent.system
        return total

    def rest(self) -> None:
        """Wait until it has done what callers left behind who went away; some servers are never quite idle."""
        for _ in range(MOST_RESTS):
            spent = self.cpu_seconds()
            time.sleep(REST_SECONDS)
            if self.cpu_seconds() - spent < IDLE * REST_SECONDS:
                return

    def anonymous_bytes(self) -> int:
        """Memory of all its processes."""
        return anonymous_bytes(self.root)

    def open_files(self) -> int:
        """Descriptors of all its processes."""
        total = 0
        for process in self.tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.num_fds()
        return total


def tintype(model: Model, *arguments: str, title: str = "Tintype") -> Side:
    """Ours, on an unpacked archive."""
    command = [sys.executable, "-P", "-m", "tintype.serving", "--archive", str(model.archive), *arguments, "--port"]
    return Side(title, command, "raw", "/invocations", "/ping", {})


def litserve(model: Model, title: str = "LitServe, torch", *options: str, **environment: str) -> Side:
    """LitServe with torch, as its documentation writes it."""
    command = [*peer("litserve", "litserve_server.py"), "--network", model.network, *options, "--port"]
    return Side(title, command, "json", "/predict", "/health", environment)


def ray_serve(model: Model) -> Side:
    """Ray Serve with ONNX Runtime and batching. Its home must have a short path: it makes sockets there."""
    command = [*peer("ray", "ray_serve_server.py"), "--onnx", str(model.onnx), "--port"]
    variables = {"RAY_TMPDIR": "/tmp/ray-bench"}
    return Side("Ray Serve, ONNX Runtime, batching", command, "raw", "/", "/-/healthz", variables)


def bentoml(model: Model, home: Path) -> Side:
    """BentoML with ONNX Runtime and batching."""
    program = environment("bentoml").parent / "bentoml"
    command = [str(program), "serve", "bentoml_server:Classifier", "--host", "127.0.0.1", "--port"]
    variables = {"BENCH_ONNX": str(model.onnx), "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    return Side("BentoML, ONNX Runtime, batching", command, "form", "/classify", "/readyz", variables)


def peer(name: str, script: str) -> list[str]:
    """The command that runs a peer's script."""
    return [str(environment(name)), str(PEERS / script)]


def environment(name: str) -> Path:
    """The interpreter of a peer's environment, which is made first when it is not there."""
    folder = REPOSITORY / f".venv-bench-{name}"
    python = folder / "bin" / "python"
    if not (folder / ".made").exists():
        print(f"making {folder.name} ...", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        ours = next(Path(one) for one in sys.path if one.endswith("site-packages"))
        theirs = folder / ours.relative_to(sys.prefix)
        (theirs / "shared.pth").write_text(f"{ours}\n")         # after its own packages, so that those win
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGES[name]]
        subprocess.run(pip, check=True)
        (folder / ".made").touch()
    return python


@contextlib.contextmanager
def running(side: Side) -> Iterator[Running]:
    """Start a server, wait until it answers, and leave nothing of it behind."""
    port = free_port()
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*side.command, str(port)],
            cwd=PEERS,
            env={**os.environ, **side.environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}{side.health}", process)
            yield Running(process, side, port, time.perf_counter() - began)
        except RuntimeError as error:
            log.seek(0)
            raise RuntimeError(f"{side.title}: {error}\n{log.read()[-2000:].decode(errors='replace')}") from error
        finally:
            end(process)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for the first 200."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode} before it answered")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"{url} did not answer within {READY_SECONDS} s")


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then whatever of it is left, its orphans too."""
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        left = [one for one in tree if one.is_running()]
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(left, END_SECONDS)
    if process.poll() is None:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def sides(model: Model, home: Path, wanted: Sequence[str], options: Sequence[str]) -> list[Side]:
    """The servers to compare; `options` are for ours."""
    made = {
        "int8": lambda: tintype(model, "--runtime=int8", *options, title="Tintype, int8"),
        "fp32": lambda: tintype(model, "--runtime=fp32", *options, title="Tintype, fp32"),
        "litserve": lambda: litserve(model),
        "litserve-batch": lambda: litserve(model, "LitServe, torch, batches of 8", "--batch", "8"),
        # What the documentation does not do: torch's threads get in each other's way, more so on a busy machine.
        "litserve-tuned": lambda: litserve(
            model, "LitServe, torch, a worker of one thread per core", "--workers", str(CORES), OMP_NUM_THREADS="1"
        ),
        "ray": lambda: ray_serve(model),
        "bentoml": lambda: bentoml(model, home),
    }
    return [made[name]() for name in wanted]
