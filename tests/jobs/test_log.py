"""The log keeps what was said, in lines that can be read, whatever bytes came."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import StorageFailed
from tintype.jobs import log as log_module
from tintype.jobs.log import LARGE, LINE_BYTES, PROGRESS_SECONDS, JobLog, lines_of, printable, timestamp

AT = 1_700_000_000.25


def logged(path: Path) -> list[str]:
    return [line.split(" ", 1)[1] for line in path.read_text().splitlines()]


def test_lines_are_stamped_and_joined_across_chunks(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "logs" / "training.log")
    assert log.take(b"one\ntw", AT) == ["one"]
    assert log.take(b"o\n\nthr", AT + 1) == ["two", ""]
    log.say("of our own", AT + 2)
    assert log.close(AT + 3) == ["thr"]
    assert (tmp_path / "logs" / "training.log").read_text() == (
        "2023-11-14T22:13:20.250Z one\n2023-11-14T22:13:21.250Z two\n2023-11-14T22:13:21.250Z \n"
        "2023-11-14T22:13:22.250Z of our own\n2023-11-14T22:13:23.250Z thr\n"
    )


def test_an_opened_log_is_continued(tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        log = JobLog(tmp_path / "l")
        log.take(text, AT)
        log.close(AT)
    assert logged(tmp_path / "l") == ["first", "second"]


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_any_bytes_become_printable_lines_however_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("log") / "l"
    log = JobLog(path)
    lines = [line for chunk in chunks for line in log.take(chunk, 0.0)]
    lines += log.close(0.0)
    assert all(line.isprintable() or "\t" in line or not line.isascii() for line in lines)
    assert len(path.read_bytes().splitlines()) == len(lines)
    if b"\r" not in b"".join(chunks):
        whole = b"".join(chunks)
        ended = whole if not whole or whole.endswith(b"\n") else whole + b"\n"
        assert lines == lines_of(ended)


def test_a_progress_bar_is_what_a_terminal_shows_at_the_end() -> None:
    assert printable(" 10%|#    |\r 50%|##   |\r100%|#####| done") == "100%|#####| done"
    assert printable("a long text\rshort") == "short" + "g text"
    assert printable("windows\r") == "windows"
    assert printable("\x1b[32mgreen\x1b[0m\tand\x00") == "green\tand\\x00"
    assert printable("naïve 画像") == "naïve 画像"


def test_an_unfinished_bar_is_shown_now_and_then(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "l")
    shown: list[str] = []
    for percent in range(100):
        shown += log.take(f"\r{percent:3d}%".encode(), AT + percent / 10)
    shown += log.close(AT + 10)
    assert shown[-1] == " 99%"
    assert len(shown) == 1 + 10 / PROGRESS_SECONDS
    assert shown == logged(tmp_path / "l")


def test_a_clock_that_is_set_back_hides_no_progress(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "l")
    assert log.take(b"\r 1%\r 2%", AT) == [" 1%"]
    assert log.take(b"\r 3%", AT - 86_400) == [" 2%"]


def test_long_lines_are_cut_between_characters(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "l")
    text = "ä" * LINE_BYTES
    lines = [
        line for start in range(0, 2 * LINE_BYTES, 999) for line in log.take(text.encode()[start : start + 999], AT)
    ]
    lines += log.close(AT)
    assert "".join(lines) == text
    assert len(lines) == 2
    assert [len(line) for line in lines_of(b"x" * (LINE_BYTES + 5) + b"\ny\n")] == [LINE_BYTES, 5, 1]


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    log = JobLog(Path("/dev/full"))
    with pytest.raises(StorageFailed, match="disk is full while writing /dev/full"):
        log.take(b"x\n", AT)


def test_a_large_log_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "LARGE_BYTES", 100)
    log = JobLog(tmp_path / "l")
    for _ in range(10):
        log.take(b"0123456789\n", AT)
    log.close(AT)
    assert logged(tmp_path / "l").count(LARGE) == 1


def test_fifty_megabytes_take_less_than_half_a_second_of_work(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "l")
    chunk = b"".join(
        b"step %d loss %.6f and some more text to fill the line up to eighty or so\n" % (n, n / 7)
        for n in range(14_000)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    for _ in range(50_000_000 // len(chunk)):
        log.take(chunk, time.time())
    log.close(0.0)
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    assert spent < 0.5


def test_timestamps() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
