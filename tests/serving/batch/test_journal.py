"""Long runs that are killed: no file lost, none twice, nobody else's answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import fsspec
import pytest

from tintype.errors import BadImage, Conflict, JobFailed, NotFound
from tintype.serving.batch.file_predictions import FilePrediction, FileProblem, image_files
from tintype.serving.batch.journal import open_journal, predict_resumably
from tintype.serving.batch.remote_files import files_of, remote_files
from tintype.serving.content.predictions import Ranked

WHO = {"archive": "abc", "top": 1}

# As its arguments say: folder, journal, what to write at the end, a diary, and after how many pictures it hangs.
RUN = """
import json, sys, time
from pathlib import Path
from tintype.serving.batch.file_predictions import image_files, write_jsonl
from tintype.serving.content.predictions import Ranked
from tintype.serving.batch.journal import open_journal, predict_resumably
begun = 0
def classify(content):
    global begun
    begun += 1
    if begun > int(sys.argv[5]):
        time.sleep(600)
    with open(sys.argv[4], "ab", buffering=0) as stream:
        stream.write(content + b"\\n")
    return (Ranked(content.decode(), 0, 1.0),)
with open_journal(Path(sys.argv[2]), {"archive": "abc", "top": 1}) as journal:
    write_jsonl(Path(sys.argv[3]), predict_resumably(classify, image_files([Path(sys.argv[1])]), journal))
    journal.remove()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    root.mkdir()
    for number in range(150):
        (root / f"{number:03d}.png").write_text(f"{number:03d}")
    return root


def named(content: bytes) -> tuple[Ranked, ...]:
    return (Ranked(content.decode(), 0, 0.5),)


def test_killed_again_and_again_nothing_is_lost_or_twice(folder: Path, tmp_path: Path) -> None:
    journal, result, asked = tmp_path / "j", tmp_path / "out.jsonl", tmp_path / "asked"
    command = [sys.executable, "-c", RUN, *map(str, (folder, journal, result, asked))]
    for _ in range(3):
        process = subprocess.Popen([*command, "35"])
        begun = len(asked.read_bytes()) if asked.exists() else 0
        while process.poll() is None and (not asked.exists() or len(asked.read_bytes()) < begun + 4 * 35):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not result.exists()
    subprocess.run([*command, "1000"], check=True)
    rows = [json.loads(line) for line in result.read_text().splitlines()]
    assert [one["label"] for one in rows] == [f"{number:03d}" for number in range(150)]
    again = Counter(asked.read_text().split())
    assert len(again) == 150
    assert again.total() <= 150 + 3 * 12            # only what was at work when it was killed
    assert not journal.exists()


def test_a_torn_line_is_taken_back(folder: Path, tmp_path: Path) -> None:
    files = image_files([folder])[:20]
    path = tmp_path / "journal"
    with open_journal(path, WHO) as journal:
        list(predict_resumably(named, files[:10], journal))
    whole = path.read_bytes()
    for cut in range(1, 60, 7):
        path.write_bytes(whole[:-cut])
        seen: list[tuple[int, int]] = []
        with open_journal(path, WHO) as journal:
            assert len(journal) == 9
            outcomes = list(predict_resumably(named, files, journal, progress=lambda *one, to=seen: to.append(one)))
        assert [one.file for one in outcomes] == [str(one) for one in files]
        assert seen[0] == (9, 20)
        assert seen[-1] == (20, 20)
    path.write_bytes(b'{"form')                     # cut off in the very first line
    with open_journal(path, WHO) as journal:
        assert len(journal) == 0


def test_problems_are_tried_again(folder: Path, tmp_path: Path) -> None:
    files = image_files([folder])[:6]

    def failing(content: bytes) -> tuple[Ranked, ...]:
        if content in (b"001", b"002"):
            raise BadImage("no picture") if content == b"001" else JobFailed("the worker died")
        return named(content)

    with open_journal(tmp_path / "j", WHO) as journal:
        first = list(predict_resumably(failing, files, journal))
    assert [isinstance(one, FileProblem) for one in first] == [False, True, True, False, False, False]
    with open_journal(tmp_path / "j", WHO) as journal:
        assert len(journal) == 4
        second = list(predict_resumably(named, files, journal))
    assert all(isinstance(one, FilePrediction) for one in second)


def test_other_models_and_other_processes_are_kept_out(tmp_path: Path) -> None:
    path = tmp_path / "j"
    another = {"archive": "x"}
    with open_journal(path, WHO), pytest.raises(Conflict, match="another process is writing"), open_journal(path, WHO):
        pass
    with pytest.raises(Conflict, match="another model or other options; remove it"), open_journal(path, another):
        pass
    assert sorted(os.listdir(tmp_path)) == ["j"]


def test_names_that_are_no_text_come_back(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff.png")
    odd.write_text("x")
    with open_journal(tmp_path / "j", WHO) as journal:
        list(predict_resumably(named, [odd], journal))
    with open_journal(tmp_path / "j", WHO) as journal:
        assert str(odd) in journal


def test_files_below_a_url() -> None:
    memory = fsspec.filesystem("memory")
    for name in ("/photos/a.png", "/photos/b.jpg", "/photos/deep/c.png", "/photos/notes.txt", "/photos-2/d.png"):
        memory.pipe(name, name.encode())
    found = remote_files("memory://photos/")
    assert [os.fspath(one) for one in found] == [
        "memory:///photos/a.png", "memory:///photos/b.jpg", "memory:///photos/deep/c.png",
    ]  # fmt: skip
    assert found[0].read_bytes() == b"/photos/a.png"
    assert len(remote_files("memory://photos/a.png")) == 1
    assert [os.fspath(one) for one in remote_files("memory://photos/de")] == ["memory:///photos/deep/c.png"]
    with pytest.raises(NotFound, match="no image files below"):
        remote_files("memory://nothing/")
    with pytest.raises(NotFound, match="cannot be read"):
        remote_files("no-such-protocol://x")


def test_paths_folders_and_urls_together(folder: Path) -> None:
    fsspec.filesystem("memory").pipe("/more/z.png", b"z")
    found = files_of([str(folder), "memory://more/", folder / "007.png", f"file://{folder}/008.png"])
    assert len(found) == 153
    assert found[-1].read_bytes() == b"008"
