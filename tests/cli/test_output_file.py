"""Files that commands are asked to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tintype.cli.main import app
from tintype.cli.output_file import output_file, output_place
from tintype.errors import InvalidRequest


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "nowhere", "x.jpg", "--csv"),
        ("predict", "nowhere", "x.jpg", "--jsonl"),
        ("report", "nowhere", "--pdf"),
        ("jobs", "logs", "nowhere", "--csv"),
        ("tuning", "export", "nowhere", "--csv"),
    ],
)
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/proc/x", "/proc/x cannot be written (No such file or directory); choose another file"),
        (".", ". cannot be written (Is a directory); choose another file"),
        ("", ". cannot be written (Is a directory); choose another file"),
        ("s3://bucket/x", "s3://bucket/x is not on this machine; give a file here, and copy it there afterwards"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_looked_for(
    tmp_path: Path, words: tuple[str, ...], path: str, says: str
) -> None:
    done = CliRunner().invoke(app, [*words, path, "--home", str(tmp_path / "home")])
    assert isinstance(done.exception, InvalidRequest)
    assert str(done.exception) == says
    assert done.exception.exit_code == 2
    assert not (tmp_path / "home").exists()


def test_a_file_in_somebodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert output_file("~/new/x.csv") == tmp_path / "new" / "x.csv"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["train", "tune"])
def test_a_place_for_artifacts_that_takes_none(tmp_path: Path, command: str) -> None:
    words = [command, "--entry-point", "x.py", "--output", "/proc/outputs", "--home", str(tmp_path / "home")]
    done = CliRunner().invoke(app, words)
    assert "/proc/outputs/model.tar.gz cannot be written" in str(done.exception)
    assert output_place("s3://bucket/x") == "s3://bucket/x"
    assert output_place("") == ""
    assert output_place(str(tmp_path / "new")) == str(tmp_path / "new")


def test_two_outputs_have_two_files(tmp_path: Path) -> None:
    words = ["predict", "nowhere", "x.jpg", "--csv", "out", "--jsonl", "out", "--home", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert "--csv and --jsonl both name out" in str(done.exception)
