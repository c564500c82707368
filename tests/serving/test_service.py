"""What a running server tells of itself, and how it treats its callers: ids, metrics, gzip, deadlines, hang-ups."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests.serving.front.test_server import assert_refused, top_label
from tests.serving.running_server import PATIENCE_SECONDS, RunningServer, launch
from tests.serving.tiny_archive import SIZE, write_tiny_archive
from tintype.cores import whole_cores
from tintype.serving.content.arrays import write_npy


@pytest.fixture(scope="module")
def service(archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("service")
    options = (f"--access-log={folder / 'access.log'}", "--body-limit-bytes=1000000", "--batch-pictures=3")
    running = launch(archive, folder, *options)
    yield running
    running.close()
    assert "Traceback" not in running.log.read_text()


def metric(running: RunningServer, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(running.http.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("host", ["evil.example", "[evil", "127.0.0.1.evil.example:80"])
def test_a_page_that_came_by_a_strangers_name_may_not_ask(service: RunningServer, picture, host: str) -> None:
    refused = service.invoke(picture(), Host=host, Origin=f"http://{host}")
    assert_refused(refused, 403, "Forbidden", "is not this machine")
    assert service.invoke(picture(), Host=host).status_code == 200             # a program
    own = f"127.0.0.1:{service.port}"
    assert service.invoke(picture(), Host=own, Origin=f"http://{own}").status_code == 200


@pytest.mark.parametrize("origin", ["http://[evil", "null", "127.0.0.1", "//"])
def test_an_origin_that_is_none_of_ours_is_refused(service: RunningServer, picture, origin: str) -> None:
    assert_refused(service.invoke(picture(), Origin=origin), 403, "Forbidden", "another site")


def test_an_empty_content_encoding_is_none(service: RunningServer, picture) -> None:
    assert service.invoke(picture(), Content_Encoding="").status_code == 200


def test_a_request_has_one_name_everywhere(service: RunningServer, picture) -> None:
    answer = service.invoke(picture(), X_Request_Id="order-66")
    assert answer.headers["x-request-id"] == answer.headers["x-amzn-requestid"] == "order-66"
    assert service.invoke(picture(), X_Amzn_RequestId="abc").headers["x-request-id"] == "abc"
    made = {service.invoke(b"", X_Request_Id=bad).headers["x-request-id"] for bad in ("a" * 200, 'a"b', "")}
    assert len(made) == 3
    assert all(len(one) == 32 for one in made)
    lines = [json.loads(line) for line in (service.log.parent / "access.log").read_text().splitlines()]
    (line,) = [one for one in lines if one["request_id"] == "order-66"]
    assert (line["status"], line["bytes_in"]) == (200, len(picture()))
    assert line["ms"] >= line["inference_ms"] > 0
    assert {"queue_ms", "decode_ms", "encode_ms", "body_ms", "bytes_out", "client", "at"} <= set(line)
    assert lines[-1]["error"] == "InvalidRequest"


def test_the_metrics_say_what_happened(service: RunningServer, picture) -> None:
    before = metric(service, "tintype_requests_total", status="200")
    refused = metric(service, "tintype_requests_total", status="400")
    batches = metric(service, "tintype_batches_total")
    for _ in range(5):
        service.invoke(picture())
    service.invoke(b"no picture")
    service.invoke(write_npy(np.zeros((7, 3, SIZE, SIZE), np.float32)), "application/x-npy")
    assert metric(service, "tintype_requests_total", status="200") == before + 6
    assert metric(service, "tintype_requests_total", status="400") == refused + 1
    made = metric(service, "tintype_batches_total") - batches - 5
    assert 3 <= made <= 7                               # seven pictures, three at a time at most
    assert metric(service, "tintype_batches_total", reason="full") >= 2
    assert metric(service, "tintype_request_seconds_count", phase="decode") >= 6
    assert metric(service, "tintype_inside") == 0
    assert metric(service, "tintype_processes", kind="workers") == 1
    assert metric(service, "tintype_processes", kind="decoders") >= 1


def test_the_description(service: RunningServer) -> None:
    document = service.http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    post = document["paths"]["/invocations"]["post"]
    assert {"image/jpeg", "application/x-npy", "multipart/form-data"} <= set(post["requestBody"]["content"])
    assert {"200", "400", "413", "429", "504"} <= set(post["responses"])


def test_several_pictures_in_one_request(service: RunningServer, picture) -> None:
    colours = [(250, 10, 10), (10, 250, 10), (10, 10, 250)]
    files = [("a", (f"{n}.png", picture("PNG", colour), "image/png")) for n, colour in enumerate(colours)]
    answer = service.http.post("/invocations", files=files)
    assert [one["label"] for one in answer.json()["predictions"]] == ["red", "green", "blue"]


def test_gzip_both_ways(service: RunningServer, picture) -> None:
    packed = gzip.compress(picture())
    assert top_label(service.invoke(packed, Content_Encoding="gzip")) == "red"
    many = write_npy(np.zeros((40, 3, SIZE, SIZE), np.float32))
    answer = service.invoke(many, "application/x-npy", Accept_Encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < len(answer.content)
    assert len(answer.json()["predictions"]) == 40
    assert "content-encoding" not in service.invoke(many, "application/x-npy", Accept_Encoding="identity").headers


def absurd_png() -> bytes:
    """A whole and valid picture of 100,000 x 100,000 pixels, by its header, in 70 bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def deep_tiff() -> bytes:
    stream = io.BytesIO()
    Image.new("F", (9, 9), 3.5).save(stream, "TIFF")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "content_type", "headers", "status", "kind"),
    [
        (absurd_png(), "image/png", {}, 413, "TooLarge"),
        (bytes(6 * 1024**2 + 1), "image/png", {}, 413, "TooLarge"),
        (gzip.compress(bytes(100 << 20), mtime=0), "image/png", {"Content_Encoding": "gzip"}, 413, "TooLarge"),
        (gzip.compress(b"x" * 5000, mtime=0)[:-20], "image/png", {"Content_Encoding": "gzip"}, 400, "InvalidRequest"),
        (b"plain", "image/png", {"Content_Encoding": "gzip"}, 400, "InvalidRequest"),
        (b"x", "image/png", {"Content_Encoding": "br"}, 415, "Unsupported"),
        (b"--a\r\n\r\nx", "multipart/form-data; boundary=a", {}, 400, "InvalidRequest"),
        (b"x", "multipart/form-data", {}, 400, "InvalidRequest"),
        (b"x", "application/x-www-form-urlencoded", {}, 415, "Unsupported"),
        (deep_tiff(), "image/tiff", {}, 415, "Unsupported"),
        (b"x", "image/png", {"X_Timeout_Seconds": "soon"}, 400, "InvalidRequest"),
        (b"x", "image/png", {"X_Timeout_Seconds": "-1"}, 400, "InvalidRequest"),
        (b"x", "image/png", {"Accept": "image/png"}, 406, "NotAcceptable"),
    ],
)  # fmt: skip
def test_what_is_refused(service: RunningServer, picture, content, content_type, headers, status, kind) -> None:
    assert_refused(service.invoke(content, content_type, **headers), status, kind)
    assert top_label(service.invoke(picture())) == "red"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": "SELF", "Sec_Fetch_Site": "same-origin"}, 200),
        ({}, 200),
    ],
)
def test_pages_from_elsewhere_may_not_post_here(service: RunningServer, picture, headers, status) -> None:
    own = {name: value.replace("SELF", service.url) for name, value in headers.items()}
    assert service.invoke(picture(), **own).status_code == status


def test_a_deadline_is_kept_and_the_place_is_free_again(start_server, tmp_path) -> None:
    running = start_server(write_tiny_archive(tmp_path / "slow.tar.gz", repeats=60), "--queue-capacity=2")
    body = write_npy(np.zeros((64, 3, SIZE, SIZE), np.float32))
    late = running.invoke(body, "application/x-npy", X_Timeout_Seconds="0.05")
    assert_refused(late, 504, "TimedOut")
    wait_for(lambda: metric(running, "tintype_inside") == 0)
    assert running.invoke(body, "application/x-npy").status_code == 200


def test_whoever_hangs_up_leaves_the_queue(start_server, tmp_path) -> None:
    running = start_server(write_tiny_archive(tmp_path / "slow.tar.gz", repeats=60))
    body = write_npy(np.zeros((64, 3, SIZE, SIZE), np.float32))
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-npy\r\n"
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", running.port)) as caller:
            caller.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    wait_for(lambda: metric(running, "tintype_inside") == 0 and metric(running, "tintype_waiting") == 0)
    assert running.invoke(body, "application/x-npy").status_code == 200
    assert metric(running, "tintype_requests_total", status="499") >= 1


def test_hang_ups_in_the_middle_of_a_body_leave_no_connection(service: RunningServer, picture) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\nabc"
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", service.port)) as caller:
            caller.sendall(head)
    assert top_label(service.invoke(picture())) == "red"


def test_the_token_is_asked_for_everywhere_but_at_the_door(start_server, archive, tmp_path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    running = start_server(archive, f"--token-file={tmp_path / 'token'}")
    assert running.http.get("/ping").status_code == 200
    for path in ("/metrics",):
        assert running.http.get(path).status_code == 401
        assert running.http.get(path, headers={"Authorization": "Bearer s3cret"}).status_code == 200
    assert running.invoke(b"x").status_code == 401
    document = running.http.get("/openapi.json").json()
    assert document["paths"]["/invocations"]["post"]["security"]


@pytest.mark.skipif(len(whole_cores()) < 2, reason="there are no two cores that threads may be bound to")
def test_the_networks_threads_have_a_core_each(archive, tmp_path) -> None:
    running = launch(archive, tmp_path, "--inference-threads=0", "--workers=2", "--runtime=onnxruntime")
    try:
        cores = set(whole_cores())
        for pid in running.named("network"):
            threads = {one: frozenset(os.sched_getaffinity(int(one))) for one in os.listdir(f"/proc/{pid}/task")}
            assert threads[str(pid)] in cores, threads
            bound = [one for one in threads.values() if one in cores]
            assert len(bound) == len(set(bound)) == len(cores), threads
        for name in ("front", "decoder", "nursery"):
            assert {frozenset(os.sched_getaffinity(pid)) for pid in running.named(name)} == {frozenset().union(*cores)}
    finally:
        running.close()
