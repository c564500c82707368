"""A forked program finds what a new interpreter would find, and nothing of the job before it."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.running_engine import ONE_CORE, SECONDS, Home, home_in
from tintype.jobs.client import Engine
from tintype.jobs.job import Job, JobSpec, Source, Status
from tintype.jobs.trainer import Order, may_run_here, run_program

DIRTY = """
import logging, os, random, signal, sys, threading, time, warnings
import numpy, torch
import mine
assert mine.VALUE == 1
os.environ["LEAK"] = "1"
os.environ["SM_LEAK"] = "1"
random.seed(1); numpy.random.seed(1); torch.manual_seed(1)
torch.set_num_threads(3); torch.set_default_dtype(torch.float64); torch.rand(200, 200) @ torch.rand(200, 200)
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
leaked = open(__file__)
os.chdir("/"); os.umask(0o077)
sys.path.append("/leak"); sys.setrecursionlimit(4321)
signal.signal(signal.SIGUSR1, lambda *_: None); signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
logging.basicConfig(level=1); warnings.simplefilter("error")
torch.leak = sys.leak = random.leak = True
"""

CLEAN = """
import json, logging, os, random, signal, sys, tempfile, threading, uuid, warnings
found = "mine" in sys.modules
import mine
import numpy, torch
umask = os.umask(0); os.umask(umask)
print(json.dumps({
    "environment": {k: v for k, v in os.environ.items() if not k.startswith("TINTYPE_JOB")},
    "directory": os.getcwd(), "arguments": sys.argv, "path": sys.path, "name": __name__, "file": __file__,
    "found": found, "mine": mine.VALUE,
    "main": [sys.modules[name].__file__ for name in ("__main__", "__mp_main__")],
    "umask": umask, "recursion": sys.getrecursionlimit(),
    "threads": len(os.listdir("/proc/self/task")), "python threads": threading.active_count(),
    "files": sorted(n for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}") and int(n) > 2),
    "stdin": sys.stdin.read(), "streams": [s.encoding for s in (sys.stdout, sys.stderr)],
    "handlers": [str(signal.getsignal(s)) for s in signal.valid_signals() if s != signal.SIGINT],
    "mask": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "loggers": len(logging.getLogger().handlers), "level": logging.getLogger().level,
    "torch threads": torch.get_num_threads(), "dtype": str(torch.get_default_dtype()), "grad": torch.is_grad_enabled(),
    "leaks": [hasattr(m, "leak") for m in (torch, sys, random)], "group": os.getpgid(0) == os.getpid(),
    "children": open(f"/proc/self/task/{os.getpid()}/children").read(),
}))
print(json.dumps([
    random.random(), numpy.random.rand(), torch.rand(1).item(), str(uuid.uuid4()),
    tempfile.mktemp(), numpy.random.default_rng().random(),
]))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home_in(tmp_path_factory.mktemp("engine"), preload="torch") as home:
        yield home


@pytest.fixture(scope="module")
def engine(home: Home) -> Iterator[Engine]:
    with home.engine() as engine:
        engine.warm_up()
        yield engine


def source(folder: Path, text: str, value: int) -> JobSpec:
    folder.mkdir()
    (folder / "train.py").write_text(text)
    (folder / "mine.py").write_text(f"VALUE = {value}\n")
    return JobSpec(
        Source("script", "train.py", str(folder)),
        {"lr": "0.1"},
        resources=ONE_CORE,
        environment={"GIVEN": "yes", "PYTHONPATH": "/given"},
    )


def run(engine: Engine, name: str, spec: JobSpec) -> Job:
    engine.submit(spec, name)
    job = engine.wait(name, timeout=SECONDS)
    assert job.status is Status.COMPLETED, job.failure_reason
    return job


def told(home: Home, name: str) -> tuple[dict[str, Any], list[Any]]:
    facts, chances = (
        json.loads(line.replace(f"/jobs/{name}/", "/jobs/NAME/").replace(name, "NAME"))
        for line in home.log(name).splitlines()[:2]
    )
    facts["environment"].pop("MASTER_PORT")  # it goes by the job's name
    return facts, chances


def test_no_state_leaks_from_one_job_to_the_next(home: Home, engine: Engine, tmp_path: Path) -> None:
    clean = source(tmp_path / "clean", CLEAN, 2)
    run(engine, "dirty", source(tmp_path / "dirty", DIRTY, 1))
    run(engine, "warm-a", clean)
    run(engine, "warm-b", clean)
    run(engine, "cold-a", replace(clean, warm=False))
    warm, chances = told(home, "warm-a")
    again, other_chances = told(home, "warm-b")
    cold, _ = told(home, "cold-a")
    assert warm == again
    assert warm == cold
    assert (warm["threads"], warm["files"], warm["torch threads"], warm["mine"]) == (1, [], 1, 2)
    assert warm["environment"]["GIVEN"] == "yes"
    assert all(one != other for one, other in zip(chances, other_chances, strict=True))


def test_a_warm_program_ends_as_any_other(home: Home, engine: Engine) -> None:
    spec = home.script(
        "import atexit, multiprocessing, sys, threading, time, weakref\n"
        "class Thing: pass\nthing = Thing()\n"
        "def main():\n"
        "    weakref.finalize(thing, print, 'finalized')\n"
        "    atexit.register(lambda: print('at exit', __name__))\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        print(pool.map(abs, [-1]))\n"
        "    threading.Thread(target=lambda: (time.sleep(0.1), print('thread done'))).start()\n"
        "    sys.stdout.write('no newline ')\n"
        "if __name__ == '__main__': main()\n"
    )
    run(engine, "ends", spec)
    said = home.log("ends")
    assert said.startswith("[1]\nno newline thread done\n")
    assert "at exit __main__" in said
    assert "finalized" in said


def test_a_warm_program_uses_torch_and_loaders(home: Home, engine: Engine) -> None:
    spec = home.script(
        "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
        "data = TensorDataset(torch.arange(8.0)[:, None])\n"
        "print(sum(batch.sum().item() for batch, in DataLoader(data, 2, num_workers=2)))\n"
        "layer = torch.nn.Linear(64, 64); layer(torch.rand(64, 64)).sum().backward(); print('learnt')\n"
    )
    run(engine, "loads", spec)
    assert home.log("loads").startswith("28.0\nlearnt\n")


def test_a_program_that_needs_a_new_interpreter_gets_one(home: Home, engine: Engine, tmp_path: Path) -> None:
    seeded = replace(
        home.script("import sys; print('torch' in sys.modules, hash('x'))"), environment={"PYTHONHASHSEED": "0"}
    )
    run(engine, "seeded", seeded)
    run(engine, "seeded-again", seeded)
    assert home.log("seeded") == home.log("seeded-again")
    assert home.log("seeded").startswith("False")
    folder = tmp_path / "hides"
    (folder / "torch").mkdir(parents=True)
    (folder / "torch" / "__init__.py").write_text("MINE = True\n")
    (folder / "train.py").write_text("import torch; print(torch.MINE)\n")
    run(engine, "hides", JobSpec(Source("script", "train.py", str(folder)), resources=ONE_CORE))
    assert home.log("hides").startswith("True")


def order(tmp_path: Path, **environment: str) -> Order:
    (tmp_path / "x.py").touch()
    return Order(("python", "x.py"), environment, str(tmp_path), True, "", "", "")


def test_which_programs_may_run_in_a_fork(tmp_path: Path) -> None:
    assert may_run_here(order(tmp_path, A="1", PYTHONPATH="/x", PYTHONUNBUFFERED="1", OMP_NUM_THREADS="2"), {})
    assert not may_run_here(order(tmp_path, PYTHONHASHSEED="0"), {})
    assert not may_run_here(order(tmp_path), {"LD_PRELOAD": "x"})
    assert may_run_here(order(tmp_path, LD_PRELOAD="x"), {"LD_PRELOAD": "x"})
    (tmp_path / "json.py").touch()
    assert not may_run_here(order(tmp_path), {})


def test_exit_codes_and_last_words() -> None:
    def raised(error: BaseException) -> tuple[int, str]:
        def program() -> None:
            raise error

        errors = io.StringIO()
        return run_program(program, errors), errors.getvalue()

    assert raised(SystemExit()) == (0, "")
    assert raised(SystemExit(258)) == (2, "")
    assert raised(SystemExit("no")) == (1, "no\n")
    assert raised(KeyboardInterrupt())[0] == 130
    code, text = raised(ValueError("bad"))
    assert code == 1
    assert text.startswith("Traceback")
    assert "jobs/trainer.py" not in text
    assert "ValueError: bad" in text
    assert run_program(lambda: None, sys.stderr) == 0
    assert threading.active_count() >= 1
