"""Captured files on their way to a URL: whole, in time, again after a failure, and never at a request's cost."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

import fsspec
import pytest

from tests.serving.watching.test_capture import ANSWER, AT, asked, lines, wait_until
from tests.web.api.serving import BUCKET, serving
from tintype.errors import InvalidRequest
from tintype.serving.watching import capture as capturing
from tintype.serving.watching import sending
from tintype.serving.watching.capture import UNFINISHED, Capture, CaptureConfig
from tintype.serving.watching.sending import Destination, Elsewhere, Sender, is_elsewhere


@pytest.fixture
def url() -> str:
    return f"memory://captured-{uuid.uuid4()}/below"


def ids_at(url: str) -> list[str]:
    """The events in all files below a URL; each file must be whole."""
    filesystem, root = fsspec.core.url_to_fs(url)
    if not filesystem.exists(root):
        return []
    texts = [filesystem.cat_file(path).decode() for path in sorted(filesystem.find(root))]
    assert all(text.endswith("\n") for text in texts)
    return [json.loads(line)["eventMetadata"]["eventId"] for text in texts for line in text.splitlines()]


@pytest.mark.parametrize(
    ("location", "there"),
    [("", False), ("/data/x", False), ("file:///data/x", False), ("memory://x", True), ("s3://bucket/x", True)],
)
def test_what_is_elsewhere(location: str, there: bool) -> None:
    assert is_elsewhere(location) is there


def test_a_url_that_nobody_can_write_to_is_refused_where_it_is_said() -> None:
    with pytest.raises(InvalidRequest, match=r"carrier-pigeon://loft cannot be written to: Protocol not known"):
        is_elsewhere("carrier-pigeon://loft")
    with pytest.raises(ValueError, match="carrier-pigeon"):
        CaptureConfig(directory="carrier-pigeon://loft")


def test_what_is_captured_arrives_whole_and_leaves_nothing_behind(tmp_path: Path, url: str) -> None:
    own = tmp_path / "capture"
    capture = Capture.begin(own, CaptureConfig(directory=url))
    for number in range(30):
        capture.offer(asked(number), ANSWER)
    wait_until(lambda: capture.counts.written == 30)
    assert ids_at(url) == []                            # nobody sees half a file
    capture.close()
    assert ids_at(url) == [f"id-{number}" for number in range(30)]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    (sent,) = fsspec.filesystem("memory").find(url)
    assert "/below/AllTraffic/20" in sent
    assert sent.endswith(".jsonl")


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    capture = Capture.begin(tmp_path / "own", CaptureConfig(directory=f"file://{tmp_path}/kept"))
    capture.offer(asked(), ANSWER)
    capture.close()
    assert [one["eventMetadata"]["eventId"] for one in lines(tmp_path / "kept")] == ["id-0"]


def test_old_files_are_sent_without_waiting_for_the_hour(tmp_path: Path, url: str) -> None:
    now = [AT]
    capture = Capture(tmp_path, CaptureConfig(directory=url), clock=lambda: now[0])
    capture.offer(asked(1), ANSWER)
    wait_until(lambda: capture.counts.written == 1)
    now[0] += capturing.SEND_SECONDS
    capture.offer(asked(2), ANSWER)
    wait_until(lambda: ids_at(url) == ["id-1"])
    capture.close()
    assert ids_at(url) == ["id-1", "id-2"]


def test_a_quiet_endpoint_sends_what_it_has(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing, "SEND_SECONDS", 0.2)
    capture = Capture(tmp_path, CaptureConfig(directory=url))
    capture.offer(asked(1), ANSWER)
    wait_until(lambda: ids_at(url) == ["id-1"])
    capture.close()


def test_what_a_killed_front_has_left_is_sent_by_the_next_one(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "v" / "2026"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text('{"eventMetadata": {"eventId": "finished"}}\n')
    (folder / f"b.jsonl{UNFINISHED}").write_text('{"eventMetadata": {"eventId": "cut short"}}\n')
    Capture(tmp_path, CaptureConfig(directory=url)).close()
    assert sorted(ids_at(url)) == ["cut short", "finished"]


class Flaky:
    """A destination that cannot be reached at first."""

    def __init__(self, real: Destination, failures: int) -> None:
        self.real, self.failures = real, failures

    def send(self, path: Path, name: str) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no route to host")
        self.real.send(path, name)


def test_what_cannot_be_sent_is_kept_told_and_tried_again(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaky = Flaky(Elsewhere(url), failures=3)
    monkeypatch.setattr(sending, "destination_of", lambda _: flaky)
    (tmp_path / "one.jsonl").write_text('{"eventMetadata": {"eventId": "kept"}}\n')
    told: list[str] = []
    sender = Sender(tmp_path, url, told.append, first_pause_seconds=0.01)
    wait_until(lambda: ids_at(url) == ["kept"])
    sender.close()
    assert told == [f"{url}: no route to host"] * 3 + [""]
    assert not list(tmp_path.iterdir())


def test_a_destination_that_is_gone_bounds_the_disk_and_delays_nobody(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "destination_of", lambda _: Flaky(Elsewhere(url), failures=10**9))
    config = CaptureConfig(directory=url, most_bytes=1024**2)
    capture = Capture(tmp_path, config)
    took = []
    for number in range(200):
        invocation = asked(number, bytes(20_000))
        began = time.perf_counter()
        capture.offer(invocation, ANSWER)
        took.append(time.perf_counter() - began)
    wait_until(lambda: capture.counts.written == 200)
    capture.close()
    assert sorted(took)[len(took) // 2] < 0.1           # it waits for no attempt, and for no pause between two
    assert "no route to host" in capture.counts.failure
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl")) <= config.most_bytes + 30_000
    assert "id-199" in [one["eventMetadata"]["eventId"] for one in lines(tmp_path)]


def test_a_bucket_of_our_own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "home") as api:
        api.put("there", b"")                           # and so is its bucket
        monkeypatch.setenv("AWS_ENDPOINT_URL", api.context.base_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", api.context.key.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", api.context.key.secret_access_key)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        capture = Capture.begin(tmp_path / "capture", CaptureConfig(directory=f"s3://{BUCKET}/captured/"))
        for number in range(5):
            capture.offer(asked(number), ANSWER)
        capture.close()
        assert capture.counts.failure == ""
        assert [one["eventMetadata"]["eventId"] for one in lines(api.bucket / "captured")] == [
            f"id-{number}" for number in range(5)
        ]
