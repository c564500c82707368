"""An endpoint that has filled the disk its record is on can be deleted. A disk of its own, a real endpoint."""

from __future__ import annotations

from pathlib import Path

from tests.jobs.test_full_disk import on_a_small_disk

PROGRAM = """
import os, sys
from pathlib import Path
import psutil
from typer.testing import CliRunner
from tests.serving.tiny_archive import write_tiny_archive
from tintype.cli.main import app

disk, elsewhere = map(Path, sys.argv[1:])
home = disk / "home"

def tintype(*words):
    done = CliRunner().invoke(app, [*map(str, words), "--home", str(home)])
    print("told:", type(done.exception).__name__, done.exception or done.stdout.strip())

def fill(path):
    with path.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass

archive = write_tiny_archive(elsewhere / "model.tar.gz")
for name in ("large", "small"):
    tintype("deploy", archive, "--endpoint", name)
(capture,) = (home / "endpoints" / "large").glob("server-*")
server = psutil.Process(int(__import__("json").loads((capture / "state.json").read_text())["process"]["pid"]))
(capture / "capture").mkdir(exist_ok=True)
fill(capture / "capture" / "lines.jsonl")
tintype("endpoints", "show", "large")
tintype("endpoints", "delete", "../endpoints/large")
tintype("endpoints", "delete", "larger")
tintype("endpoints", "delete", "large")
print("gone:", not server.is_running() or server.status() == "zombie", not (home / "endpoints" / "large").exists())
tintype("endpoints", "list")
tintype("endpoints", "delete", "small")
"""


def test_what_fills_the_disk_goes_before_its_record(tmp_path: Path) -> None:
    said = on_a_small_disk(tmp_path, PROGRAM, "24m").splitlines()
    told = [line.removeprefix("told: ") for line in said if line.startswith("told: ")]
    full = "StorageFailed the disk is full"
    assert [line.startswith("NoneType") for line in told[:2]] == [True, True], said
    shown, climbing, mistyped, deleted, *_ = told[2:]
    assert shown.startswith(full)
    assert climbing.startswith(("InvalidRequest", full))
    assert mistyped.startswith(full)
    assert deleted == "NoneType large is deleted"
    assert "gone: True True" in said
    assert "small" in " ".join(said[said.index("gone: True True") :])
    assert told[-1] == "NoneType small is deleted"
