"""One JSON line a request, in a file of bounded size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tintype.errors import InvalidRequest
from tintype.serving.watching.access_log import AccessLog, check_place


def test_lines_and_the_turn_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog(path, limit_bytes=200)
    for number in range(20):
        log.write({"number": number, "text": 'a "quoted"\n line é'})
    log.close()
    older, newer = Path(f"{path}.1"), path
    lines = [json.loads(line) for one in (older, newer) for line in one.read_text().splitlines()]
    numbers = [line["number"] for line in lines]
    assert numbers == list(range(numbers[0], 20))
    assert len(numbers) > 3
    assert all(one.stat().st_size <= 200 for one in (older, newer))
    assert path.stat().st_mode & 0o777 == 0o600
    assert log.lost == 0


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    for number in range(2):
        log = AccessLog(tmp_path / "access.log")
        log.write({"number": number})
        log.close()
    assert (tmp_path / "access.log").read_text() == '{"number":0}\n{"number":1}\n'


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    check_place(tmp_path / "access.log")
    for path, message in ((tmp_path, "it is a folder"), (tmp_path / "no" / "log", "there is no folder .*/no; name")):
        with pytest.raises(InvalidRequest, match=message):
            check_place(path)


def test_a_disk_that_refuses_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "nowhere" / "access.log")
    log.write({"a": 1})
    full = AccessLog(Path("/dev/full"))
    full.write({"a": 1})
    full.close()
    assert (log.lost, full.lost) == (1, 1)
