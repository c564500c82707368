"""`tintype deploy`, `endpoints`, `predict` with real servers: several models, updates, a return after a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.serving.tiny_archive import write_tiny_archive
from tintype.cli.endpoints import numbers_of
from tintype.cli.main import app
from tintype.errors import BadArchive, Conflict, InvalidRequest, NotFound


@dataclass(frozen=True)
class Shell:
    """The commands in this process, which has imported them already; the servers are processes all the same."""

    home: Path

    def json(self, *words: str | Path) -> dict[str, Any]:
        """What --json printed."""
        done = CliRunner().invoke(app, [*map(str, words), "--home", str(self.home), "--json"])
        if done.exception:
            raise done.exception
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    opened = Shell(tmp_path_factory.mktemp("home"))
    yield opened
    for one in opened.json("endpoints", "list")["endpoints"]:
        opened.json("endpoints", "delete", one["name"])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_archive(tmp_path_factory.mktemp("archive") / "model.tar.gz")


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "red"
    folder.mkdir()
    for number in range(6):
        Image.new("RGB", (32, 32), (250, 10, 10)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def test_a_life(shell: Shell, archive: Path, red: Path, tmp_path: Path) -> None:
    german = write_tiny_archive(tmp_path / "german.tar.gz", classes=("rot", "grün", "blau"))
    answer = shell.json("deploy", archive, "--endpoint", "colours", "--variant", f"german={german}:1",
                        "--shadow", f"again={archive}:50", "--capture", "100", "--instances", "1")  # fmt: skip
    assert answer["status"] == "InService"
    assert [(one["name"], one["weight"], one["shadow"]) for one in answer["variants"]] == [
        ("AllTraffic", 1, False), ("german", 1, False), ("again", 0, True),
    ]  # fmt: skip
    with pytest.raises(Conflict, match="already is an endpoint"):
        shell.json("deploy", archive, "--endpoint", "colours")

    shell.json("endpoints", "weights", "colours", "german=0")
    rows, lines = tmp_path / "rows.csv", tmp_path / "rows.jsonl"
    said = shell.json("predict", "colours", red, "--csv", rows, "--jsonl", lines, "--top", "2")
    assert [one["label"] for one in said["predictions"]] == ["red"] * 6
    assert said["problems"][0]["file"].endswith("broken.png")
    assert len(rows.read_text().splitlines()) == len(lines.read_text().splitlines()) + 1 == 8
    assert not list(tmp_path.glob("*.progress"))
    with pytest.raises(InvalidRequest, match="no variant 'french'"):
        shell.json("endpoints", "weights", "colours", "french=1")
    with pytest.raises(InvalidRequest, match="named twice in 'german=1 german=2'"):
        shell.json("endpoints", "weights", "colours", "german=1", "german=2")

    shown = shell.json("endpoints", "show", "colours")
    assert shown["facts"]["variants"][0]["requests"] == 7
    assert shown["warnings"] == []
    captured = list(Path(shown["directory"], "capture").rglob("*.jsonl"))
    assert {path.relative_to(Path(shown["directory"], "capture")).parts[0] for path in captured} == {"AllTraffic"}

    updated = shell.json("endpoints", "update", "colours", german, "--bake-seconds", "0.5")
    assert updated["status"] == "InService"
    assert updated["variants"][0]["archive"] == str(german)
    assert shell.json("predict", "colours", red)["predictions"][0]["label"] == "rot"
    assert shell.json("endpoints", "scale", "colours", "2")["variants"][0]["instances"] == 2

    wrong = write_tiny_archive(tmp_path / "wrong.tar.gz", classes=("a", "b", "c", "d"))
    with pytest.raises(InvalidRequest, match="serves what it served: the last update was rolled back"):
        shell.json("endpoints", "update", "colours", wrong)
    with pytest.raises(InvalidRequest, match="give one of --canary and --linear"):
        shell.json("endpoints", "update", "colours", german, "--canary", "5", "--linear", "5")

    pid, url = shown["pid"], shown["url"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while (one := shell.json("endpoints", "list")["endpoints"][0])["status"] != "InService":
        assert time.monotonic() < deadline, one
    assert (one["url"], one["pid"] != pid) == (url, True)
    answer = httpx.post(f"{url}/invocations", content=(red / "0.png").read_bytes(), trust_env=False, timeout=120)
    assert answer.json()["predictions"][0]["label"] == "rot"
    assert shell.json("endpoints", "delete", "colours") == {"name": "colours", "status": "Deleted"}
    with pytest.raises(NotFound, match="no endpoint named 'colours'"):
        shell.json("endpoints", "show", "colours")


def test_a_folder_that_an_archive_was_unpacked_to_is_asked_too(
    shell: Shell, archive: Path, red: Path, tmp_path: Path
) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "model", filter="data")
    rows = tmp_path / "rows.csv"
    said = shell.json("predict", tmp_path / "model", red / "0.png", "--csv", rows)
    assert [one["label"] for one in said["predictions"]] == ["red"]


def test_whom_to_ask_comes_first(shell: Shell, red: Path) -> None:
    for first in (red, red / "0.png"):
        with pytest.raises(InvalidRequest, match=r"is no model; whom to ask comes first, then the images"):
            shell.json("predict", first, "colours")
    with pytest.raises(BadArchive, match="is no archive; give a model"):
        shell.json("deploy", red / "0.png")


def test_a_file_that_is_no_picture_is_named(shell: Shell, archive: Path, red: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"broken.png cannot be classified: not an image"):
        shell.json("predict", archive, red / "broken.png")
    with pytest.raises(InvalidRequest, match=r"none of the 2 files can be classified: not an image"):
        shell.json("predict", archive, red / "broken.png", red / "broken.png")


def test_a_long_prediction_goes_on_where_it_was(shell: Shell, archive: Path, red: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    journal = rows.with_name("rows.jsonl.progress")
    shell.json("predict", archive, red, "--jsonl", rows)
    whole = rows.read_text()
    journal.write_text('{"format": 1, "of": {"archive": "another"}}\n')
    with pytest.raises(Conflict, match="begun with another model"):
        shell.json("predict", archive, red, "--jsonl", rows)
    journal.unlink()
    rows.unlink()
    shell.json("predict", archive, red, "--jsonl", rows)
    assert rows.read_text() == whole
    labels = [json.loads(line).get("label") for line in whole.splitlines()]
    assert labels.count("red") == 6


@pytest.mark.parametrize("word", ["nameless", "=x", "name=", "a b=x.tar.gz"])
def test_variants_that_are_none(shell: Shell, archive: Path, word: str) -> None:
    with pytest.raises((InvalidRequest, NotFound)):
        shell.json("deploy", archive, "--variant", word)


def test_it_is_said_in_which_numbers_a_network_runs(shell: Shell, archive: Path) -> None:
    shell.json("deploy", archive, "--endpoint", "numbers")
    facts = shell.json("endpoints", "show", "numbers")["facts"]
    told = "AllTraffic runs in fp32 (not int8: the archive was written without trying), onnxruntime"
    assert numbers_of(facts) == [told]
    assert numbers_of(None) == []


def test_the_folder_of_an_archive_is_served_too(shell: Shell, archive: Path, tmp_path: Path) -> None:
    ours, script = tmp_path / "ours", tmp_path / "script"
    shutil.unpack_archive(archive, ours)
    (script / "code").mkdir(parents=True)
    (script / "code" / "inference.py").write_text("model_fn = transform_fn = lambda *given: 'x'\n")
    answer = shell.json("deploy", f"{ours}/", "--variant", f"script={script}")
    try:
        assert (answer["name"], answer["status"]) == ("ours", "InService")
    finally:
        shell.json("endpoints", "delete", "ours")
    with pytest.raises(NotFound, match="no run, job or archive"):
        shell.json("deploy", tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--variant", "b={}:-1"], r"^--variant 'b=.*:-1': Input should be greater than or equal to 0$"),
        (["--variant", "b={}:nan"], r"^--variant 'b=.*:nan': Input should be a finite number$"),
        (["--variant", "b"], "^--variant is NAME=MODEL or NAME=MODEL:WEIGHT, got 'b'$"),
        (["--shadow", "s"], "^--shadow is NAME=MODEL or NAME=MODEL:PERCENT, got 's'$"),
        (["--shadow", "s={}:101"], r"^--shadow 's=.*:101': Input should be less than or equal to 100$"),
        (["--variant", "AllTraffic={}"], "there are two variants named 'AllTraffic'$"),
        ([word for number in range(10) for word in ("--variant", f"v{number}={{}}")], "^--variant is given 10 times"),
        (["--capture", "10", "--capture-to", "nope://x/y"], "^--capture-to: .*nope"),
        (["--instances", "3", "--max-instances", "2"], "^--max-instances 2 is less than --instances 3$"),
    ],
)
def test_a_deployment_that_cannot_be_names_the_option(
    shell: Shell, archive: Path, words: list[str], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        shell.json("deploy", archive, "--endpoint", "none", *(word.format(archive) for word in words))
    assert "none" not in [one["name"] for one in shell.json("endpoints", "list")["endpoints"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--canary", "101"], "^--canary 101: Input should be less than or equal to 50$"),
        (["--canary", "nan"], "^--canary nan: "),
        (["--linear", "0"], "^--linear 0: Input should be greater than 0$"),
        (["--linear", "10", "--bake-seconds", "inf"], "^--bake-seconds inf: Input should be a finite number$"),
        (["--canary", "10", "--step-seconds", "inf"], "^--step-seconds inf: "),
        (["--canary", "10", "--linear", "10"], "^an update is either a canary or linear"),
    ],
)
def test_an_update_that_cannot_be_names_the_option(shell: Shell, words: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        shell.json("endpoints", "update", "none", "model.tar.gz", *words)


@pytest.mark.parametrize("weight", ["-1", "nan", "inf", "many", ""])
def test_a_weight_that_is_none_is_said_as_it_was_typed(shell: Shell, weight: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^a weight is a number, 0 or more, got AllTraffic={weight}$"):
        shell.json("endpoints", "weights", "none", f"AllTraffic={weight}")
