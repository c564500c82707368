"""The log of a server: bounded, without a gap, and followed by `tail -f`; what is lost is said. Real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving.front.test_supervisor import kill_one, wait_for
from tests.serving.running_server import PATIENCE_SECONDS, RunningServer
from tintype.errors import InvalidRequest
from tintype.serving.front.server_log import PIECE_BYTES, ServerLog, kept_in

LIMIT = 2 * PIECE_BYTES


def older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def run(script: str, *arguments: object) -> None:
    subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=True, timeout=PATIENCE_SECONDS)


def test_what_is_in_both_files_is_the_end_of_all_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    log = ServerLog(path, 1000)
    lines = [f"{number:04d} {'x' * (number % 90)}\n" for number in range(500)]
    everything = "".join(lines).encode()
    for start in range(0, len(everything), 37):         # pieces end anywhere in a line
        log.write(everything[start : start + 37])
        assert path.stat().st_size <= 1000
    kept = older(path).read_bytes() + path.read_bytes()
    assert everything.endswith(kept)
    assert older(path).read_bytes().endswith(b"\n")
    assert 1000 < len(kept) <= 2000
    again = ServerLog(path, 1000)                       # after a restart it goes on where it was
    again.write(b"again\n")
    assert (older(path).read_bytes() + path.read_bytes()).endswith(lines[-1].encode() + b"again\n")


def test_a_log_that_somebody_has_removed_or_emptied_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    log = ServerLog(path)
    log.write(b"one\n")
    path.unlink()
    log.write(b"two\n")
    assert path.read_bytes() == b"two\n"
    os.truncate(path, 0)
    log.write(b"three\n")
    assert path.read_bytes() == b"three\n"


def test_what_could_not_be_copied_is_said(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    (older(path) / "in the way").mkdir(parents=True)
    log = ServerLog(path, 100)
    log.write(b"a" * 79 + b"\n")
    log.write(b"b" * 9 + b"\n" + b"c" * 39 + b"\n")
    assert re.fullmatch(rb"\n90 bytes of this log were lost: .+\nc{39}\n", path.read_bytes())


FULL = """
import resource, sys
from pathlib import Path
from tintype.serving.front.server_log import ServerLog
path = Path(sys.argv[1])
log = ServerLog(path)
log.write(b"before\\n")
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, most))       # the disk takes no more
for _ in range(3):
    log.write(b"123456789\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
log.write(b"after\\n")
"""


def test_a_full_disk_costs_lines_and_the_log_says_how_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    run(FULL, path)
    assert path.read_text() == "before\n123\n27 bytes of this log were lost: File too large\nafter\n"


PRINTERS = """
import os, subprocess, sys
from pathlib import Path
from tintype.serving.front.server_log import kept_in
with kept_in(Path(sys.argv[1]), int(sys.argv[2])):
    say = "os.write(1 + number % 2, f'{sys.argv[1]} {number} {80 * chr(120)}\\\\n'.encode())"
    own = f"import os, sys\\nfor number in range({sys.argv[3]}): {say}\\nos.abort()"
    printing = [subprocess.Popen([sys.executable, "-X", "faulthandler", "-c", own, name]) for name in "abc"]
    for one in printing:
        one.wait()
    os.write(2, b"the last line\\n")
raise SystemExit("to where it went before")
"""


def test_several_processes_print_without_a_gap_and_tail_follows(tmp_path: Path) -> None:
    path, count = tmp_path / "server.log", 3000
    path.touch()
    follower = subprocess.Popen(["tail", "-f", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    command = [sys.executable, "-c", PRINTERS, path, str(LIMIT), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "to where it went before\n")
    kept = older(path).read_text() + path.read_text()
    for name in "abc":
        numbers = [int(number) for number in re.findall(rf"{name} (\d+) x{{80}}", kept)]
        assert numbers == list(range(count - len(numbers), count))
    assert "Fatal Python error: " in kept               # of the last of them, which wrote it in pieces
    assert kept.endswith("the last line\n")
    assert path.stat().st_size <= LIMIT + PIECE_BYTES
    assert older(path).stat().st_size <= LIMIT + PIECE_BYTES
    assert follower.stdout is not None
    assert any(line == b"the last line\n" for line in follower.stdout)      # it waits for it
    follower.kill()
    follower.wait()
    follower.stdout.close()


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="nowhere"), kept_in(tmp_path / "nowhere" / "log"):
        pytest.fail("it began all the same")


def test_all_processes_of_a_server_print_to_its_log(
    start_server: Callable[..., RunningServer], archive: Path, tmp_path: Path
) -> None:
    """What the front says when it crashes, what a script prints, what the supervisor says of either."""
    script, log = tmp_path / "serve.py", tmp_path / "kept.log"
    script.write_text("""
def model_fn(model_dir):
    print("the model is loaded", flush=True)
def transform_fn(model, body, content_type, accept):
    print("asked for", body, flush=True)
    return ""
""")
    running = start_server(archive, "--entry-point", str(script), "--log", str(log))
    assert running.invoke(b"this").status_code == 200
    wait_for(lambda: "asked for b'this'" in log.read_text())
    kill_one(running, "front", signal.SIGSEGV)
    wait_for(lambda: log.read_text().count("INFO tintype.serving: serving model") == 2)
    running.process.terminate()
    running.process.wait(PATIENCE_SECONDS)
    text = log.read_text()
    assert text.count("the model is loaded") == 2
    assert "Fatal Python error: Segmentation fault" in text
    assert "the front ended with code -11" in text
    assert "has ended" in text                      # the front's last word
    assert running.log.read_text() == ""
