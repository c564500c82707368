"""Captured requests: SageMaker's shape, sampling, hours, a bounded disk, and a full one."""

from __future__ import annotations

import base64
import errno
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tintype.serving.front.invocation import Answer, Invocation
from tintype.serving.watching import capture as module
from tintype.serving.watching.capture import Capture, CaptureConfig, capture_line, make_room

AT = 1_700_000_000.123              # 2023-11-14T22:13:20.123Z
ANSWER = Answer(200, b'{"predictions": []}', "application/json", variant="AllTraffic")


def asked(number: int = 0, body: bytes = b"\xff\xd8jpeg") -> Invocation:
    return Invocation(f"id-{number}", body, "image/jpeg", custom_attributes="who=me")


def lines(directory: Path) -> list[dict]:
    return [json.loads(line) for path in sorted(directory.rglob("*.jsonl")) for line in path.read_text().splitlines()]


def test_the_shape() -> None:
    line = capture_line(asked(), ANSWER, AT, CaptureConfig())
    assert json.loads(line) == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "image/jpeg",
                "mode": "INPUT",
                "data": base64.b64encode(b"\xff\xd8jpeg").decode(),
                "encoding": "BASE64",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": '{"predictions": []}',
                "encoding": "JSON",
            },
        },
        "eventMetadata": {
            "eventId": "id-0",
            "inferenceTime": "2023-11-14T22:13:20.123Z",
            "customAttributes": ["who=me"],
        },
        "eventVersion": "0",
    }
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    halves = capture_line(asked(), ANSWER, AT, CaptureConfig(requests=False))
    assert "endpointInput" not in json.loads(halves)["captureData"]


def test_what_is_not_the_text_it_says_it_is() -> None:
    lying = Invocation("id", b"\xff\xfe", "application/json")
    side = json.loads(capture_line(lying, Answer(200, b"a,b\n", "text/csv"), AT, CaptureConfig()))["captureData"]
    assert side["endpointInput"]["encoding"] == "BASE64"
    assert side["endpointOutput"]["encoding"] == "CSV"
    assert side["endpointOutput"]["data"] == "a,b\n"


@pytest.mark.parametrize(("percent", "expected"), [(100, 100), (50, 50), (1, 1), (0, 0), (33, 33)])
def test_sampling_is_exact(tmp_path: Path, percent: float, expected: int) -> None:
    capture = Capture(tmp_path, CaptureConfig(percent=percent))
    for number in range(100):
        capture.offer(asked(number), ANSWER)
    capture.close()
    found = lines(tmp_path)
    assert len(found) == expected == capture.counts.written
    assert len({one["eventMetadata"]["eventId"] for one in found}) == expected


def test_hours_and_variants_have_files_of_their_own(tmp_path: Path) -> None:
    now = [AT]
    capture = Capture(tmp_path, CaptureConfig(), clock=lambda: now[0])
    for number in range(40):
        capture.offer(asked(number), Answer(200, b"{}", "application/json", variant="ab"[number % 2]))
    drain(capture, 40)
    now[0] += 3600
    capture.offer(asked(99), ANSWER)
    capture.close()
    folders = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("*.jsonl"))
    assert folders == ["AllTraffic/2023/11/14/23", "a/2023/11/14/22", "b/2023/11/14/22"]


def test_the_disk_stays_bounded(tmp_path: Path) -> None:
    config = CaptureConfig(most_bytes=1024**2)
    capture = Capture(tmp_path, config)
    for number in range(200):
        capture.offer(asked(number, bytes(20_000)), ANSWER)
    capture.close()
    assert capture.counts.written == 200
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl")) <= config.most_bytes + 30_000
    kept = [one["eventMetadata"]["eventId"] for one in lines(tmp_path)]
    assert "id-199" in kept             # the newest stay
    assert "id-0" not in kept


def test_a_full_disk_harms_nobody_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    now = [AT]
    capture = Capture(tmp_path, CaptureConfig(), clock=lambda: now[0])
    real, full = module._HourFile.append, [True]

    def append(file: module._HourFile, line: bytes) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file, line)

    monkeypatch.setattr(module._HourFile, "append", append)
    capture.offer(asked(1), ANSWER)
    capture.offer(asked(2), ANSWER)             # during the pause
    wait_until(lambda: capture.counts.dropped == 2)
    assert capture.counts.failure == "No space left on device"
    assert "cannot be written" in caplog.text
    full[0] = False
    now[0] += module.PAUSE_SECONDS
    capture.offer(asked(3), ANSWER)
    capture.close()
    assert [one["eventMetadata"]["eventId"] for one in lines(tmp_path)] == ["id-3"]


def test_a_really_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    capture = Capture(Path("/dev/full"), CaptureConfig())
    capture.offer(asked(), ANSWER)              # not even a folder can be made there
    capture.close()
    assert (capture.counts.written, capture.counts.dropped) == (0, 1)


def test_a_slow_disk_drops_instead_of_filling_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUED_BYTES", 50_000)
    disk = threading.Event()
    monkeypatch.setattr(module._HourFile, "append", lambda *_: disk.wait())
    capture = Capture(tmp_path, CaptureConfig())
    for number in range(100):
        capture.offer(asked(number, bytes(10_000)), ANSWER)     # the request's path never waits
    disk.set()
    capture.close()
    assert capture.counts.dropped >= 90
    assert capture.counts.written + capture.counts.dropped == 100


def test_the_oldest_go_first(tmp_path: Path) -> None:
    for number in range(5):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(bytes(100))
        os.utime(path, (number, number))
    make_room(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.jsonl", "4.jsonl"]


def drain(capture: Capture, written: int) -> None:
    wait_until(lambda: capture.counts.written == written)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
