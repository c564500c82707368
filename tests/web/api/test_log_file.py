"""Log files as events: every page of every size gives the same lines."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.jobs.log import timestamp
from tintype.web.api import log_file
from tintype.web.api.log_file import LogFile, Span, time_of

START = 1_800_000_000.0


def written(path: Path, lines: list[str], rest: str = "") -> LogFile:
    path.write_text("".join(f"{timestamp(START + index)} {line}\n" for index, line in enumerate(lines)) + rest)
    return LogFile(path)


def test_forwards_and_backwards_are_the_same_lines(tmp_path: Path) -> None:
    lines = [f"number {index} {'x' * (index * 37 % 400)}" for index in range(5000)]
    file = written(tmp_path / "a.log", lines, rest="2026-01-31T12:00:00.000Z half a li")
    forwards = list(file.forward(0, Span()))
    assert [one.message for one in forwards] == lines
    assert list(file.backward(file.end(), Span()))[::-1] == forwards
    assert [one.start for one in forwards[1:]] == [one.end for one in forwards[:-1]]
    assert forwards[-1].end == file.end()


@pytest.mark.parametrize("index", [0, 1, 2499, 4998, 4999])
def test_a_time_is_found(tmp_path: Path, index: int) -> None:
    lines = [f"number {number} {'x' * 300}" for number in range(5000)]
    file = written(tmp_path / "a.log", lines)
    since = round((START + index) * 1000)
    found = next(file.forward(file.first_since(since), Span()))
    assert (found.at, found.message.split()[1]) == (since, str(index))
    assert file.first_since(since + 999_999_999) == file.end()


def test_lines_longer_than_what_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "CHUNK_BYTES", 64)
    lines = ["short", "y" * 1000, "", "z" * 63, "end"]
    file = written(tmp_path / "a.log", lines)
    assert [one.message for one in file.forward(0, Span())] == lines
    assert [one.message for one in file.backward(file.end(), Span())] == lines[::-1]
    for index in range(len(lines)):
        offset = file.first_since(round((START + index) * 1000))
        assert next(file.forward(offset, Span())).message == lines[index]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=90), max_size=40))
def test_any_text(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    file = written(tmp_path_factory.getbasetemp() / "any.log", lines)
    assert [one.message for one in file.forward(0, Span())] == lines
    assert [one.message for one in file.backward(file.end(), Span())] == lines[::-1]


def test_a_file_without_times_and_one_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "plain.log"
    path.write_text("INFO: started\nINFO: served\n")
    os.utime(path, (START, START))
    assert [(one.at, one.message) for one in LogFile(path).forward(0, Span())] == [
        (START * 1000, "INFO: started"), (START * 1000, "INFO: served"),
    ]  # fmt: skip
    missing = LogFile(tmp_path / "none.log")
    assert (list(missing.forward(0, Span())), missing.end(), missing.first()) == ([], 0, None)
    assert time_of(b"2026-13-31T12:00:00.000Z x") is None


def test_a_hundred_megabytes_are_read_with_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.log"
    line = f"{timestamp(START)} {'x' * 975}\n".encode()
    with path.open("wb") as stream:
        for _ in range(100):
            stream.write(line * 1048)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    file = LogFile(path)
    assert next(file.backward(file.end(), Span())).end == file.end() == path.stat().st_size
    assert file.first_since(round(START * 1000) + 1) == file.end()
    assert sum(1 for _ in zip(file.forward(50_000 * len(line), Span()), range(10_000), strict=False)) == 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000        # KiB
