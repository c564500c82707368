"""A real server on loopback: every content type, every error, and no skew."""

from __future__ import annotations

import base64
import io
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from tests.serving.running_server import PATIENCE_SECONDS, RunningServer
from tests.serving.tiny_archive import CLASSES, SIZE
from tintype.serving.content.arrays import write_npy
from tintype.serving.runtimes.predictor import Predictor

Picture = Callable[..., bytes]

HYMENOPTERA = Path(__file__).parents[4] / "shared" / "data" / "hymenoptera"
FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}


def top_label(answer: httpx.Response) -> str:
    return answer.json()["predictions"][0]["label"]


def assert_refused(answer: httpx.Response, status: int, kind: str, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    (error,) = answer.json().values()
    assert set(error) == {"status", "type", "message"}
    assert (error["status"], error["type"]) == (status, kind)
    assert all(word in error["message"] for word in words), error["message"]
    assert "Traceback" not in answer.text


def test_ping(server: RunningServer) -> None:
    answer = server.http.get("/ping")
    assert (answer.status_code, answer.content) == (200, b"")
    assert server.http.head("/ping").status_code == 200


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_under_its_name_and_under_none(server: RunningServer, picture: Picture, form: str) -> None:
    for content_type in (FORMATS[form], "application/octet-stream", "application/x-image"):
        answer = server.invoke(picture(form, (10, 10, 250)), content_type)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        (prediction,) = answer.json()["predictions"]
        assert prediction["label"] == "blue"
        assert prediction["index"] == 2
        assert prediction["probability"] == prediction["top"][0]["probability"] > 0.9
        assert {one["label"] for one in prediction["top"]} == set(CLASSES)


def test_arrays_and_json(server: RunningServer, picture: Picture) -> None:
    pixels = np.zeros((30, 20, 3), np.uint8)
    pixels[..., 1] = 255
    tensor = np.zeros((2, 3, SIZE, SIZE), np.float32)
    tensor[1, 0] = 3
    encoded = base64.b64encode(picture()).decode()
    assert top_label(server.invoke(write_npy(pixels), "application/x-npy")) == "green"
    assert len(server.invoke(write_npy(np.stack([pixels] * 3)), "application/x-npy").json()["predictions"]) == 3
    answer = server.invoke(write_npy(tensor), "application/x-npy", Accept="application/x-npy;scores=logits")
    np.testing.assert_allclose(np.load(io.BytesIO(answer.content)), [[0, 0, 0], [6, 0, 0]], atol=1e-5)
    assert top_label(server.invoke(json.dumps({"image": encoded}).encode(), "application/json")) == "red"
    several = json.dumps({"instances": [{"image": encoded}, pixels.tolist()]}).encode()
    labels = [one["label"] for one in server.invoke(several, "application/json; charset=utf-8").json()["predictions"]]
    assert labels == ["red", "green"]


def test_answers_by_accept(server: RunningServer, picture: Picture) -> None:
    csv = server.invoke(picture(), Accept="text/csv")
    assert csv.headers["content-type"].startswith("text/csv")
    assert csv.text.splitlines()[1].startswith("red,0,0.99")
    npy = server.invoke(picture(), Accept="image/png, application/x-npy;q=0.5")
    assert npy.headers["content-type"] == "application/x-npy"
    assert np.load(io.BytesIO(npy.content)).sum() == pytest.approx(1)
    plain = server.invoke(picture(), Accept="application/json;format=list").json()
    assert np.shape(plain) == (1, 3)
    assert top_label(server.invoke(picture(), Accept="*/*")) == "red"


def test_http_says_what_the_predictor_says(server: RunningServer, predictor: Predictor, picture: Picture) -> None:
    contents = [picture(form, (90, 200, 30), (75, 44)) for form in FORMATS]
    if HYMENOPTERA.is_dir():
        smallest = sorted(HYMENOPTERA.glob("val/*/*.jpg"), key=lambda path: path.stat().st_size)[:20]
        contents += [path.read_bytes() for path in smallest]
    for content in contents:
        answer = server.invoke(content, Accept="application/x-npy;scores=probabilities")
        expected = predictor.predict([content]).probabilities
        np.testing.assert_allclose(np.load(io.BytesIO(answer.content)), expected, atol=1e-6)


def truncated_jpeg(picture: Picture) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG")
    return stream.getvalue()[:2000]


def absurd_png(picture: Picture) -> bytes:
    good = bytearray(picture())
    good[16:24] = (100_000).to_bytes(4, "big") * 2
    return bytes(good)


def object_array(picture: Picture) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{}], object), allow_pickle=True)
    return stream.getvalue()


BAD_BODIES = {
    "empty": ("image/png", lambda picture: b"", 400, "InvalidRequest", "no body"),
    "not an image": ("image/png", lambda picture: b"GIF? no", 400, "BadImage", "not an image"),
    "truncated": ("image/jpeg", truncated_jpeg, 400, "BadImage", "truncated"),
    "bomb": ("image/png", absurd_png, None, None, ""),
    "over the pixel limit": ("image/png", lambda picture: picture(size=(1001, 1000)), 413, "TooLarge", "1,000,000"),
    "over the body limit": ("image/png", lambda picture: bytes(300_001), 413, "TooLarge", "300,000"),
    "far over the body limit": ("image/png", lambda picture: bytes(9_000_000), 413, "TooLarge", "300,000"),
    "too many": (
        "application/x-npy", lambda picture: write_npy(np.zeros((5, 2, 2, 3), np.uint8)), 413, "TooLarge", "limit is 4",
    ),
    "unknown type": ("text/html", lambda picture: picture(), 415, "Unsupported", "image/jpeg"),
    "a pickle": ("application/x-npy", object_array, 400, "InvalidRequest", "pickle"),
    "NaN": (
        "application/x-npy", lambda picture: write_npy(np.full((3, 16, 16), np.nan)), 400, "InvalidRequest", "NaN",
    ),
    "wrong size": (
        "application/x-npy", lambda picture: write_npy(np.zeros((3, 8, 8))), 400, "InvalidRequest", "(3, 16, 16)",
    ),
    "overflow": (
        "application/x-npy", lambda picture: write_npy(np.full((3, 16, 16), 3e38)), 400, "InvalidRequest", "finite",
    ),
    "bad JSON": ("application/json", lambda picture: b"{", 400, "InvalidRequest", "not JSON"),
    "a URL": ("application/json", lambda picture: b'{"url": "http://x"}', 400, "InvalidRequest", "fetches nothing"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_one_clear_error_and_harms_nothing(server: RunningServer, picture: Picture, name: str) -> None:
    content_type, make, status, kind, words = BAD_BODIES[name]
    answer = server.invoke(make(picture), content_type)
    if status is None:
        assert answer.status_code in (400, 413)         # the header's checksum is wrong too; either may be seen first
    else:
        assert_refused(answer, status, kind, words)
    assert top_label(server.invoke(picture())) == "red"


def test_wrong_paths_methods_and_headers(server: RunningServer, picture: Picture) -> None:
    assert_refused(server.http.get("/"), 404, "NotFound", "POST /invocations")
    assert_refused(server.http.get("/invocations"), 405, "MethodNotAllowed", "GET /invocations")
    assert_refused(server.http.post("/ping"), 405, "MethodNotAllowed")
    assert_refused(server.invoke(picture(), Accept="image/png"), 406, "NotAcceptable", "text/csv")
    assert_refused(server.invoke(picture(), Accept="application/json;top=x"), 400, "InvalidRequest", "top")
    assert_refused(server.invoke(picture(), Content_Encoding="br"), 415, "Unsupported", "gzip")


def test_a_body_of_unknown_length_meets_the_same_limit(server: RunningServer, picture: Picture) -> None:
    endless = server.http.post("/invocations", content=(bytes(50_000) for _ in range(100)))
    assert_refused(endless, 413, "TooLarge", "300,000")
    in_parts = picture()
    answer = server.http.post("/invocations", content=(in_parts[at : at + 20] for at in range(0, len(in_parts), 20)))
    assert top_label(answer) == "red"


def test_a_slow_body_and_a_caller_who_goes_away(server: RunningServer, picture: Picture) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\nabc"
    with socket.create_connection(("127.0.0.1", server.port)) as gone:
        gone.sendall(head)
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as slow:
        slow.sendall(head)
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - started > 0.5
    assert top_label(server.invoke(picture())) == "red"


def test_the_server_loads_no_torch(server: RunningServer) -> None:
    maps = [
        Path(f"/proc/{one.pid}/maps").read_text()
        for one in psutil.Process(server.process.pid).children(recursive=True)
    ]
    assert len(maps) >= 4                       # a front, a fork server, a decoder at least, a worker
    assert not any("torch" in one for one in maps)
    assert sum("onnxruntime" in one for one in maps) == 1


def test_mutated_bodies_are_answered_or_refused(server: RunningServer, picture: Picture) -> None:
    noise = np.random.default_rng(7)
    encoded = json.dumps({"instances": [{"image": base64.b64encode(picture()).decode()}]}).encode()
    seeds = [(FORMATS[form], picture(form, (200, 40, 90))) for form in FORMATS]
    seeds += [("application/x-npy", write_npy(np.zeros((9, 9, 3), np.uint8))), ("application/json", encoded)]
    statuses: set[int] = set()
    for content_type, good in seeds:
        for _ in range(25):
            body = bytearray(good[: noise.integers(1, len(good) + 1)] if noise.random() < 0.3 else good)
            for place in noise.integers(0, len(body), noise.integers(1, 6)):
                body[place] = noise.integers(256)
            answer = server.invoke(bytes(body), content_type)
            statuses.add(answer.status_code)
            if answer.status_code != 200:
                assert answer.json()["error"]["message"]
    assert statuses <= {200, 400, 413, 415}
    assert {200, 400} <= statuses
    assert top_label(server.invoke(picture())) == "red"
