"""What all commands have in common: how they are found, how they end, and what they say then."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tests.cli.shell import Shell
from tests.conftest import write_colours
from tintype.cli.main import COMMANDS, GROUPS, Terminated, app, app_with, asked_for, outcome_of
from tintype.errors import InvalidRequest, JobFailed

TINTYPE = [sys.executable, "-W", "ignore", "-m", "tintype"]


def ran(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """`tintype` in a process, as it ended."""
    given: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60, **options}
    return subprocess.run([*TINTYPE, *words], check=False, **given)


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (["tune", "photos"], ("tune",)), (["jobs", "list"], ("jobs",)), ([], (*GROUPS, *COMMANDS)),
        (["--help"], (*GROUPS, *COMMANDS)), (["tun"], (*GROUPS, *COMMANDS)),
        (["--version", "jobs"], (*GROUPS, *COMMANDS)),
    ],
)  # fmt: skip
def test_a_command_loads_no_other(arguments: list[str], loaded: tuple[str, ...]) -> None:
    assert asked_for(arguments) == loaded


def test_the_whole_command_line_has_every_command() -> None:
    whole, one = typer.main.get_command(app), typer.main.get_command(app_with(["tune"]))
    assert list(whole.commands) == [*COMMANDS, *GROUPS]     # pyright: ignore[reportAttributeAccessIssue]
    assert list(one.commands) == ["tune"]                   # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tunign"], "tintype: no such command 'tunign'. Did you mean 'tuning', 'tune'?; `tintype --help` shows"),
        (["list"], "tintype: there is no command 'list'; did you mean `tintype jobs list`, `tintype tuning"),
        (["check", "photos"], "tintype: there is no command 'check'; did you mean `tintype data check`?"),
        (["jobs", "lits"], "Did you mean 'list'?; `tintype jobs --help` shows how it goes"),
        (["jobs", "list", "--limt", "3"], "tintype: no such option: --limt (Possible options: --limit); `tintype"),
        (["jobs", "list", "--limit", "many"], "tintype: invalid value for '--limit': "),
        (["--json", "jobs", "list"], "tintype: --json goes after the command, as in `tintype jobs list --json`"),
        (["--home=x", "jobs", "list"], "tintype: --home=x goes after the command"),
        (["jobs", "list", "--home", ""], "tintype: --home is empty; give a folder"),
        (["data", "check", "x" * 300], "File name too long"),
        (["data", "check", "/dev/null"], "/dev/null is neither a file nor a folder; give a folder"),
        (["jobs", "list", "extra"], "tintype: got unexpected extra argument"),
        (["jobs", "show"], "tintype: missing argument 'NAME'; `tintype jobs show --help` shows how it goes"),
        (["train", "x", "--lr", "0.1"], "tintype: --lr is a hyperparameter, which -p lr=VALUE sets; `tintype train"),
        (["tune", "x", "--Learning_Rate=1"], "tintype: --Learning_Rate is a hyperparameter, which -p lr=VALUE sets;"),
        (["train", "x", "--epoch", "3"], "tintype: no such option: --epoch (Possible options: --epochs)"),
        (["jobs", "list", "--lr", "1"], "tintype: no such option: --lr"),
        (["tune", "x", "--strategy", "best"], "invalid value for '--strategy': 'best' is not one of 'bayesian', "),
    ],
)
def test_wrong_use_is_one_line_that_says_where_to_look(words: list[str], says: str) -> None:
    done = ran(*words)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout


@pytest.mark.parametrize("words", [[], ["jobs"]])
def test_nothing_asked_for_is_a_wish_for_help(words: list[str]) -> None:
    done = ran(*words)
    assert done.returncode == 2
    assert "Usage: tintype" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (InvalidRequest("no \x1b[2J"), 2, ["tintype: no �[2J"]),
        (JobFailed("it failed", ["a", "b"]), 1, ["  a", "  b", "tintype: it failed"]),
        (KeyboardInterrupt(), 130, ["tintype: interrupted"]),
        (Terminated(), 143, ["tintype: terminated"]),
        (BrokenPipeError(), 0, []),
        (SystemExit(4), 4, []),
        (PermissionError(13, "Permission denied", "/x"), 2, ["tintype: /x: Permission denied (--debug shows where)"]),
        (OSError(5, "Input/output error", "/x"), 1, ["tintype: /x: Input/output error (--debug shows where)"]),
        (KeyError("x"), 1, ["tintype: this should not have happened: KeyError: 'x' (--debug shows where)"]),
    ],
)
def test_what_an_error_means(error: BaseException, code: int, lines: list[str]) -> None:
    assert outcome_of(error) == (code, lines)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[str]]:
    """The words that follow the log of a job which runs on and on."""
    script, home = tmp_path / "on.py", ("--home", str(tmp_path / "home"))
    script.write_text("import time; print('it goes on', flush=True); time.sleep(300)")
    started = ran("train", "--entry-point", str(script), "--name", "on", "--no-wait", "--no-warm", *home)
    assert started.returncode == 0, started.stderr
    yield ["jobs", "logs", "on", "--follow", *home]
    ran("jobs", "stop", "on", *home)
    ran("jobs", "wait", "on", *home)


def test_signals_have_their_exit_codes_and_the_job_goes_on(running: list[str]) -> None:
    for number, code, says in ((signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")):
        words = ["env", "--default-signal=INT", *TINTYPE, *running]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
            assert following.stdout is not None
            assert any("it goes on" in line for line in iter(following.stdout.readline, ""))
            following.send_signal(number)
            _, errors = following.communicate(timeout=60)
        assert (following.returncode, errors) == (code, f"tintype: {says}\n")
    taken = ran("train", "no-such-folder", "--name", "on", *running[4:])        # said before anything is looked for
    assert (taken.returncode, taken.stdout) == (2, "")
    assert "a training job named 'on' is there already" in taken.stderr
    shown = ran("jobs", "show", *running[2:3], *running[4:], "--json")
    assert json.loads(shown.stdout)["status"] == "InProgress"


def test_little_is_loaded_before_ctrl_c_is_one_line() -> None:
    code = (
        "import sys, tintype.cli.main; "
        "assert not {'typer', 'rich', 'pydantic', 'sqlalchemy', 'numpy', 'fsspec'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("words", [["--help"], ["jobs", "list"], ["env", "--json"]])
def test_a_reader_that_has_seen_enough(tmp_path: Path, words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = ran(*words, stdout=writing, stderr=subprocess.PIPE, capture_output=False, env=at_home(tmp_path))
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_output_that_is_full_or_closed(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = ran("jobs", "list", stdout=full, stderr=subprocess.PIPE, capture_output=False, env=at_home(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "tintype: No space left on device (--debug shows where)\n"
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        words = shlex.join([*TINTYPE, "jobs", "list"])
        done = subprocess.run(["sh", "-c", f"{words} {closed}"], check=False, env=at_home(tmp_path), timeout=60)
        assert done.returncode == 0, closed


def test_names_as_the_disk_has_them_and_terminals_that_know_little(tmp_path: Path) -> None:
    photos = write_colours(tmp_path / os.fsdecode(b"photos \xff \xc3\xbc"), per_class=2)
    for encoding in ("utf-8", "ascii"):
        env = {**at_home(tmp_path / "höme"), "PYTHONIOENCODING": encoding}
        cached = json.loads(ran("data", "cache", "--json", env=env).stdout)
        assert cached["directory"] == str(tmp_path / "höme" / "caches")
        assert ran("--help", env=env).returncode == 0
        assert "6 images" in ran("data", "check", str(photos), env=env).stdout
        refused = ran("data", "check", f"{photos}s", env=env)
        assert refused.returncode == 2
        assert "did you mean" in refused.stderr


def at_home(home: Path) -> dict[str, str]:
    """The environment of somebody with this TINTYPE_HOME."""
    return {**os.environ, "TINTYPE_HOME": str(home)}


def test_a_home_that_cannot_be_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "tintype.db").write_bytes(b"no database" * 100)
    for home in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc"), tmp_path / "damaged"):
        said = Shell(home)("jobs", "list", code=2).stderr
        assert "choose another --home" in said
        assert str(home) in said
