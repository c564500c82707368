"""What becomes of a job, whatever its program does and whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.running_engine import SECONDS, Home, home_in, until
from tintype.jobs import reconciliation
from tintype.jobs.client import Engine
from tintype.jobs.job import Companion, Job, JobSpec, MetricDefinition, Phase, Resources, Source, Status

LOSS = MetricDefinition("loss", r"loss: ([\d.]+)")
FOREVER = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home_in(tmp_path_factory.mktemp("engine")) as home:
        yield home


@pytest.fixture(scope="module")
def engine(home: Home) -> Iterator[Engine]:
    with home.engine() as engine:
        yield engine


def run(home: Home, engine: Engine, name: str, spec: JobSpec) -> Job:
    engine.submit(spec, name)
    job = engine.wait(name, timeout=SECONDS)
    until(lambda: not home.processes_of(job), what=lambda: f"left behind: {home.processes_of(job)}")
    return job


def test_a_script_is_run_and_everything_is_kept(home: Home, engine: Engine) -> None:
    spec = home.script(
        "import json, os, sys\n"
        "print('loss: 0.5')\nprint('loss: 0.25.', file=sys.stderr)\nprint(sys.argv[1:])\n"
        "open(os.path.join(os.environ['SM_MODEL_DIR'], 'model.pth'), 'w').write('weights')\n"
        "json.dump({'accuracy': 1.0}, open(os.path.join(os.environ['SM_OUTPUT_DIR'], 'result.json'), 'w'))\n",
        hyperparameters={"lr": "0.1"},
        metric_definitions=(LOSS, MetricDefinition("never", "nothing ([0-9])")),
    )
    job = run(home, engine, "plain", spec)
    assert (job.status, job.phase, job.exit_code, job.failure_reason) == (Status.COMPLETED, Phase.COMPLETED, 0, "")
    assert job.result == {"accuracy": 1.0}
    assert [one.phase for one in job.transitions] == [
        Phase.STARTING, Phase.DOWNLOADING, Phase.TRAINING, Phase.UPLOADING, Phase.COMPLETED,
    ]  # fmt: skip
    assert job.created_at <= job.started_at <= job.ended_at
    assert job.attempt == 1
    assert [(one.name, one.step, one.value) for one in home.store.measurements("plain")] == [
        ("loss", 1, 0.5),
        ("loss", 2, 0.25),
    ]
    assert job.warnings == ("metric 'never' was never seen: no line of the log matched 'nothing ([0-9])'",)
    log = home.log("plain").splitlines()
    assert log[:3] == ["loss: 0.5", "loss: 0.25.", "['--lr', '0.1']"]
    assert log[3].startswith("warning: metric 'never'")
    assert log[-1] == "Completed"
    assert (Path(job.directory) / "model.tar.gz").is_file()
    assert home.store.holder("plain") is None


def test_a_script_that_fails_says_why(home: Home, engine: Engine) -> None:
    job = run(home, engine, "fails", home.script("def f():\n    raise ValueError('no such breed')\nf()\n"))
    assert (job.status, job.exit_code) == (Status.FAILED, 1)
    assert "ValueError: no such breed" in job.failure_reason
    assert "line 2" in job.failure_reason
    assert "trainer.py" not in home.log("fails")


def test_a_missing_file_is_refused_at_once(engine: Engine, home: Home) -> None:
    with pytest.raises(Exception, match="nothing-here"):
        engine.submit(JobSpec(Source("script", "/nothing-here.py")), "absent")
    assert not home.store.exists("absent")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('bye')", 1),
        ("import os; os._exit(7)", 7),
        ("import sys; sys.exit()", 0),
    ],
)
def test_exit_codes(home: Home, engine: Engine, text: str, code: int) -> None:
    assert run(home, engine, f"exit-{code}-{len(text)}", home.script(text)).exit_code == code


def test_a_stop_is_a_sigterm_and_what_is_left_is_packed(home: Home, engine: Engine) -> None:
    spec = home.script(
        "import os, signal, sys, time\n"
        "def leave(*_):\n"
        "    open(os.path.join(os.environ['SM_MODEL_DIR'], 'm'), 'w').write('x'); print('saved')\n"
        "    time.sleep(1.5); sys.exit(0)\n"            # until it has been asked again
        "signal.signal(signal.SIGTERM, leave)\n" + FOREVER
    )
    engine.submit(spec, "stopped")
    home.until_said("stopped", "begun")
    engine.stop("stopped")
    engine.stop("stopped")
    job = engine.wait("stopped", timeout=SECONDS)
    assert (job.status, job.phase) == (Status.STOPPED, Phase.STOPPED)
    assert job.stop_requested_at > 0
    assert "saved" in home.log("stopped")
    assert (Path(job.directory) / "model.tar.gz").is_file()


def test_a_script_that_ignores_sigterm_is_killed_with_its_children(home: Home, engine: Engine) -> None:
    spec = home.script(
        "import os, signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)\n"
        + FOREVER
    )
    engine.submit(spec, "stubborn")
    home.until_said("stubborn", "begun")
    began = time.monotonic()
    engine.stop("stubborn")
    job = engine.wait("stubborn", timeout=SECONDS)
    assert job.status is Status.STOPPED
    assert job.exit_code == -signal.SIGKILL
    assert time.monotonic() - began >= home.pace.grace
    assert not home.processes_of(job)


def test_a_job_that_waits_is_stopped_without_being_started(home: Home, engine: Engine) -> None:
    whole = Resources(cores=0, gpus=0)
    engine.submit(home.script(FOREVER, resources=whole), "holds")
    home.until_said("holds", "begun")
    engine.submit(home.script(FOREVER, resources=whole), "waits")
    until(lambda: home.store.get("waits").phase is Phase.PENDING)
    engine.stop("waits")
    assert engine.wait("waits", timeout=SECONDS).status is Status.STOPPED
    assert home.store.get("waits").attempt == 0
    until(lambda: home.store.get("holds").phase is Phase.TRAINING)
    engine.stop("holds")
    engine.wait("holds", timeout=SECONDS)


def test_time_is_up(home: Home, engine: Engine) -> None:
    job = run(home, engine, "long", home.script(FOREVER, max_runtime_seconds=0.5))
    assert (job.status, job.phase) == (Status.STOPPED, Phase.MAX_RUNTIME_EXCEEDED)
    assert job.exit_code == -signal.SIGTERM


def test_children_that_a_script_leaves_end_with_it(home: Home, engine: Engine) -> None:
    spec = home.script(
        "import os, subprocess, sys, time\n"
        "subprocess.Popen(['sleep', '600'], start_new_session=True, env={})\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)\n"
        "print('leaving')\n"
    )
    assert run(home, engine, "parent", spec).status is Status.COMPLETED     # and not after 600 s


def test_much_output_junk_and_progress_bars(home: Home, engine: Engine) -> None:
    spec = home.script(
        "import sys\n"
        "out = sys.stdout.buffer\n"
        "for n in range(200_000): out.write(b'line %d of very many that this program has to say, and says\\n' % n)\n"
        "out.write(bytes(range(256)) * 20 + b'\\n')\n"
        "for n in range(101): out.write(b'\\r%3d%%|' % n)\n"
        "out.write(b'\\nloss: 0.125\\n'); out.flush()\n",
        metric_definitions=(LOSS,),
    )
    job = run(home, engine, "talks", spec)
    assert job.status is Status.COMPLETED
    lines = home.log("talks").splitlines()
    assert sum(line.startswith("line ") for line in lines) == 200_000
    assert "100%|" in lines
    assert [one.value for one in home.store.measurements("talks")] == [0.125]


def test_a_full_disk_while_logging_fails_the_job(home: Home, engine: Engine) -> None:
    logs = home.settings.home / "jobs" / "full" / "logs"
    logs.mkdir(parents=True)
    (logs / "training.log").symlink_to("/dev/full")
    engine.submit(home.script("print('x')\n" + FOREVER), "full")
    job = engine.wait("full", timeout=SECONDS)
    assert job.status is Status.FAILED
    assert "disk is full" in job.failure_reason
    assert not home.processes_of(job)


def test_a_killed_trainer_fails_the_job(home: Home, engine: Engine) -> None:
    job = run(home, engine, "killed", home.script("import os\nprint('now', flush=True)\nos.kill(os.getpid(), 9)\n"))
    assert (job.status, job.exit_code) == (Status.FAILED, -signal.SIGKILL)
    assert "SIGKILL" in job.failure_reason


def test_an_interrupted_job_goes_on_from_its_checkpoint(home: Home, engine: Engine) -> None:
    spec = home.script(
        "import os, signal\n"
        "path = os.path.join(os.environ['SAGEMAKER_BASE_DIR'], 'checkpoints', 'c')\n"
        "seen = os.path.exists(path)\nprint('checkpoint', seen, flush=True)\nopen(path, 'w').write('x')\n"
        "if not seen: os.kill(os.getpid(), signal.SIGKILL)\n",
        retries=1,
    )
    job = run(home, engine, "spot", spec)
    assert (job.status, job.attempt) == (Status.COMPLETED, 2)
    phases = [one.phase for one in job.transitions]
    assert phases[phases.index(Phase.INTERRUPTED) :][:3] == [Phase.INTERRUPTED, Phase.RESTARTING, Phase.DOWNLOADING]
    assert "checkpoint False" in home.log("spot")
    assert "checkpoint True" in home.log("spot")


def test_retries_are_used_up(home: Home, engine: Engine) -> None:
    job = run(home, engine, "doomed", home.script("import os\nos.kill(os.getpid(), 9)\n", retries=2))
    assert (job.status, job.attempt) == (Status.FAILED, 3)


def test_a_fault_of_the_program_is_not_tried_again(home: Home, engine: Engine) -> None:
    assert run(home, engine, "faulty", home.script("1 / 0", retries=2)).attempt == 1


@pytest.mark.parametrize("retries", [0, 1])
def test_a_killed_supervisor_is_noticed(home: Home, engine: Engine, retries: int) -> None:
    text = "import os, subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n" + FOREVER
    name = f"orphan-{retries}"
    engine.submit(home.script(text, retries=retries), name)
    home.until_said(name, "begun")
    os.kill(home.supervisor_of(name), signal.SIGKILL)
    if retries:
        until(lambda: home.store.get(name).attempt == 2)
        engine.stop(name)
    job = engine.wait(name, timeout=SECONDS)
    assert job.status is (Status.STOPPED if retries else Status.FAILED)
    assert retries or job.failure_reason == reconciliation.KILLED
    until(lambda: not home.processes_of(job))


def test_a_frozen_supervisor_is_replaced_and_can_write_no_more(home: Home, engine: Engine) -> None:
    engine.submit(home.script("import os\nprint('attempt', flush=True)\n" + FOREVER, retries=1), "frozen")
    home.until_said("frozen", "begun")
    old = home.supervisor_of("frozen")
    os.kill(old, signal.SIGSTOP)
    until(lambda: home.store.get("frozen").attempt == 2)
    assert not Path(f"/proc/{old}").exists() or home.supervisor_of("frozen") != old
    interrupted = next(one for one in home.store.get("frozen").transitions if one.phase is Phase.INTERRUPTED)
    assert interrupted.message == reconciliation.SILENT
    engine.stop("frozen")
    job = engine.wait("frozen", timeout=SECONDS)
    assert job.status is Status.STOPPED
    until(lambda: not home.processes_of(job))


def test_hosts_find_each_other_and_fail_together(home: Home, engine: Engine) -> None:
    two = Resources(instance_count=2, cores=1, gpus=0)
    text = (
        "import os, sys, time\n"
        "e = os.environ\nprint(e['RANK'], e['WORLD_SIZE'], e['LOCAL_RANK'], e['SM_CURRENT_HOST'], e['MASTER_PORT'])\n"
    )
    job = run(home, engine, "pair", home.script(text, resources=two))
    assert job.status is Status.COMPLETED
    first, second = home.log("pair").split(), home.log("pair", "algo-2").split()
    assert first[:4] == ["0", "2", "0", "algo-1"]
    assert second[:4] == ["1", "2", "0", "algo-2"]
    assert first[4] == second[4]
    text += "if e['RANK'] == '1': sys.exit(4)\ntime.sleep(600)\n"
    job = run(home, engine, "quarrel", home.script(text, resources=two))
    assert (job.status, job.exit_code) == (Status.FAILED, 4)


def has_seen(home: Home, name: str, **lines: int) -> str:
    """A program that ends when the logs of its companions have so many lines. Those of "hopeless" and "broken" are the
    numbers of processes that end, and their supervisor must have seen the end of the last."""
    return (
        f"import os, time\nlogs, wanted = {str(home.settings.home / 'jobs' / name / 'logs')!r}, {lines!r}\n"
        "def said(name):\n"
        "    path = os.path.join(logs, f'{name}.log')\n"
        "    return open(path).read().split('\\n')[:-1] if os.path.exists(path) else []\n"
        "def is_enough(name):\n"
        "    found = said(name)\n"
        "    ended = name in ('hopeless', 'broken')\n"
        "    return len(found) >= wanted[name] and not (ended and os.path.exists(f'/proc/{found[-1]}'))\n"
        "print(os.getpid(), flush=True)\n"
        "while not all(map(is_enough, wanted)): time.sleep(0.02)\n"
    )


def test_companions_are_told_of_the_end_and_given_time(home: Home, engine: Engine) -> None:
    watch = "trap 'sleep 0.3; echo done; exit 0' TERM; echo here $COLOUR; while true; do sleep 0.05; done"
    spec = home.script(
        has_seen(home, "watched", sampler=1, broken=1),
        companions=(
            Companion("sampler", ("/bin/sh", "-c", watch), SECONDS, {"COLOUR": "blue"}),
            Companion("stubborn", ("/bin/sh", "-c", "trap '' TERM; while true; do sleep 0.05; done"), 0.5),
            Companion("broken", ("/bin/sh", "-c", "echo $$; exit 3")),
            Companion("absent", ("/no/such/thing",)),
        ),
    )
    job = run(home, engine, "watched", spec)
    assert job.status is Status.COMPLETED
    assert (Path(job.directory) / "logs" / "sampler.log").read_text() == "here blue\ndone\n"
    assert any(warning.startswith("absent cannot be started") for warning in job.warnings)
    assert "broken ended with exit code 3; see its log" in job.warnings


def test_a_companion_that_fails_is_started_again(home: Home, engine: Engine) -> None:
    again = "echo $TINTYPE_PROGRAM_PIDS; [ $(wc -l < logs/phoenix.log) -lt 3 ] || exec sleep 60; kill -9 $$"
    spec = home.script(
        has_seen(home, "restarted", phoenix=3, hopeless=3),
        companions=(
            Companion("phoenix", ("/bin/sh", "-c", again), 0.3, restarts=5),
            Companion("hopeless", ("/bin/sh", "-c", "echo $$; exit 3"), restarts=2),
        ),
    )
    job = run(home, engine, "restarted", spec)
    program = home.log("restarted").split()[0]
    assert (Path(job.directory) / "logs" / "phoenix.log").read_text().split() == [program] * 3
    assert [one for one in job.warnings if "exit code" in one] == ["hopeless ended with exit code 3; see its log"]


def test_shell_scripts_and_cold_jobs(home: Home, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "train.sh").write_text('echo "shell $1 $2"\nexit 5\n')
    job = run(home, engine, "shell", JobSpec(Source("script", str(tmp_path / "train.sh")), hyperparameters={"a": "1"}))
    assert (job.status, job.exit_code) == (Status.FAILED, 5)
    assert "shell -a 1" in home.log("shell")
    job = run(home, engine, "cold", home.script("import sys; print('json' in sys.modules, sys.argv)", warm=False))
    assert job.status is Status.COMPLETED
    assert home.log("cold").startswith("False ['script")


def test_lines_are_followed_as_they_come(home: Home, engine: Engine) -> None:
    engine.submit(home.script("import time\nfor n in range(3):\n    print('line', n)\n    time.sleep(0.2)\n"), "slow")
    lines = list(engine.follow("slow"))
    assert [line.split(" ", 1)[1] for line in lines] == ["line 0", "line 1", "line 2", "Completed"]
    heard: list[str] = []
    engine.wait("slow", on_line=heard.append)
    assert heard == lines


def test_modules_and_results(home: Home, engine: Engine) -> None:
    job = run(home, engine, "module", JobSpec(Source("module", "platform", arguments=("--terse",))))
    assert job.status is Status.COMPLETED
    assert "Linux" in home.log("module")
    broken = "import os\nopen(os.path.join(os.environ['SM_OUTPUT_DIR'], 'result.json'), 'w').write('{')\n"
    assert run(home, engine, "broken", home.script(broken)).result == {}
    assert json.dumps(home.store.get("broken").to_json())
