"""`jobs delete` and `tuning delete` as a person types them: asked about, told, done."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.conftest import write_colours

SMALL = ("--model", "small_cnn", "--weights", "none")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("deletion") / "photos", per_class=8)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Shell:
    """A home with a training job and a tuning job."""
    opened = Shell(tmp_path_factory.mktemp("home"))
    opened("train", data, *SMALL, "--epochs", "1", "--name", "ants")
    grid = ("--range", "lr=0.01,0.02", "--strategy", "grid", "-p", "epochs=1", "--name", "bees")
    opened("tune", data, *SMALL, *grid)
    return opened


def typed(shell: Shell, answer: bytes, *words: str) -> tuple[int, str, str]:
    """What comes of a command in whose terminal somebody types: its code, its output, and what is on the terminal."""
    mine, its = pty.openpty()
    command = [sys.executable, "-W", "ignore", "-m", "tintype", *words, "--home", str(shell.home)]
    with subprocess.Popen(command, stdin=its, stdout=subprocess.PIPE, stderr=its, text=True) as process:
        os.close(its)
        os.write(mine, answer)
        output, _ = process.communicate(timeout=120)
    seen = b"".join(iter(lambda: _read(mine), b""))
    os.close(mine)
    return process.returncode, output, seen.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:                     # nobody has the other end
        return b""


def test_without_a_terminal_it_must_be_told_to(shell: Shell) -> None:
    for group, name in (("jobs", "ants"), ("tuning", "bees")):
        said = shell(group, "delete", name, code=2).stderr
        assert said == f"tintype: nobody is there to be asked whether {name!r} may go; --yes deletes it unasked\n"
    assert "no training job named 'antss'; did you mean 'ants'?" in shell("jobs", "delete", "antss", code=2).stderr


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"\x04"], ids=["no", "return", "end of input"])
def test_who_does_not_say_yes_keeps_it(shell: Shell, answer: bytes) -> None:
    code, output, _ = typed(shell, answer, "jobs", "delete", "ants")
    assert code == 1
    assert "Delete ants, " in output
    assert "ants stays" in output
    assert shell.json("jobs", "show", "ants")["archive"]


def test_a_tuning_job_goes_with_its_trials(shell: Shell) -> None:
    trials = [job["name"] for job in shell.json("jobs", "list", "--trials")["jobs"] if job["tuning_job"] == "bees"]
    said = shell("jobs", "delete", trials[0], "--yes", code=2).stderr
    assert "is a trial of the tuning job 'bees', which needs it; `tintype tuning delete bees`" in said
    assert "`tintype tuning delete bees`" in shell("jobs", "delete", "bees", "--yes", code=2).stderr
    code, output, seen = typed(shell, b"y\n", "tuning", "delete", "bees", "--json")
    assert code == 0
    assert "Delete bees with 2 trials, " in seen
    assert '"status": "Deleted"' in output
    assert [job["name"] for job in shell.json("jobs", "list", "--trials")["jobs"]] == ["ants"]
    assert shell.json("tuning", "list")["tuning_jobs"] == []
    assert not (shell.home / "tuning" / "bees").exists()


def test_a_job_goes_and_its_name_is_free(shell: Shell, data: Path) -> None:
    folder = Path(shell.json("jobs", "show", "ants")["directory"])
    told = shell.json("jobs", "delete", "ants", "-y")
    assert told.pop("bytes") > 0
    assert told == {"name": "ants", "status": "Deleted", "jobs": ["ants"], "run": None, "endpoints": [], "kept": []}
    assert not folder.exists()
    assert shell.json("jobs", "list")["jobs"] == []
    assert "there is no training job named 'ants'; there are none yet" in shell("jobs", "delete", "ants", code=2).stderr
    assert shell.json("train", data, *SMALL, "--epochs", "1", "--name", "ants")["status"] == "Completed"


@pytest.fixture
def running(shell: Shell, tmp_path: Path) -> Iterator[str]:
    script = tmp_path / "on.py"
    script.write_text("import time; time.sleep(300)")
    shell("train", "--entry-point", script, "--name", "on", "--no-wait", "--no-warm")
    yield "on"
    shell("jobs", "delete", "on", "--yes")


def test_a_job_that_runs_is_stopped_first(shell: Shell, running: str) -> None:
    said = shell("jobs", "delete", running, "--yes", code=2).stderr
    assert "training job 'on' is InProgress; `tintype jobs stop on` and `tintype jobs wait on` end it first" in said
    shell("jobs", "stop", running)
    shell("jobs", "wait", running)


def test_data_that_no_job_could_be_trained_on_make_none(shell: Shell, data: Path, tmp_path: Path) -> None:
    for name in ("amber", "blue"):
        for folder in ("bad", "half"):
            (tmp_path / folder / name).mkdir(parents=True)
            for number in range(9):
                (tmp_path / folder / name / f"{number}.png").write_text("nothing")
    for number in range(9):
        good = (data / "amber" / f"{number % 8:03d}.png").read_bytes()
        (tmp_path / "half" / "amber" / f"{number}.png").write_bytes(good)
    (tmp_path / "one").mkdir()
    (tmp_path / "half" / "amber").rename(tmp_path / "one" / "amber")
    (tmp_path / "half" / "amber").symlink_to(tmp_path / "one" / "amber")
    before = shell.json("jobs", "list", "--trials"), shell.json("tuning", "list")
    for folder, says in (
        ("bad", "bad has no usable image in its train split"),
        ("half", "half has usable images of one class only, 'amber', to train on"),
        ("one", "one has one class, 'amber'"),
    ):
        for command in ("train", "tune"):
            done = shell(command, tmp_path / folder, *SMALL, "--name", "refused", code=2)
            assert says in done.stderr.splitlines()[-1]
    assert (shell.json("jobs", "list", "--trials"), shell.json("tuning", "list")) == before
