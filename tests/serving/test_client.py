"""The client: patience, plain errors, and a real endpoint."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest

from tests.serving.running_server import RunningServer
from tintype.errors import BadImage, Busy, InvalidRequest, JobFailed, NotFound, TooLarge, Unauthorised, Unsupported
from tintype.serving.batch.file_predictions import FilePrediction, FileProblem
from tintype.serving.client import EndpointClient, Patience, predict
from tintype.serving.content.predictions import Ranked
from tintype.serving.runtimes.predictor import Predictor

ANSWER = {"predictions": [{"label": "cat", "top": [{"label": "cat", "index": 0, "probability": 1.0}]}]}
GOOD = httpx.Response(200, json=ANSWER)
URL = "http://127.0.0.1:9"


class Script:
    """A server that answers from a list, and a clock that only counts."""

    def __init__(self, *steps: httpx.Response | Exception) -> None:
        self.steps = list(steps)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def client(self, attempts: int = 4, token: str | None = None) -> EndpointClient:
        return EndpointClient(
            URL,
            token=token,
            patience=Patience(attempts),
            transport=httpx.MockTransport(self.answer),
            sleep=self.pauses.append,
        )


def refusal(status: int, message: str = "why", **headers: str) -> httpx.Response:
    error = {"error": {"status": status, "type": "X", "message": message}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=error, headers=named)


def test_one_question() -> None:
    script = Script(GOOD)
    with script.client(token="s3cret") as client:
        assert client.classify(b"picture", top=3) == (Ranked("cat", 0, 1.0),)
    (request,) = script.requests
    assert request.method == "POST"
    assert request.url.path == "/invocations"
    assert request.headers["accept"] == "application/json;top=3"
    assert request.headers["authorization"] == "Bearer s3cret"
    assert request.content == b"picture"


def test_a_busy_or_absent_server_is_asked_again() -> None:
    script = Script(refusal(429, Retry_After="2"), httpx.ConnectError("refused"), refusal(503), GOOD)
    with script.client() as client:
        assert client.classify(b"x")[0].label == "cat"
    assert script.pauses == [2.0, 0.2, 0.4]


def test_patience_ends() -> None:
    script = Script(*[refusal(429, "full", Retry_After="1")] * 3)
    with script.client(attempts=3) as client, pytest.raises(Busy, match="full"):
        client.classify(b"x")
    script = Script(*[httpx.ReadTimeout("slow")] * 2)
    with script.client(attempts=2) as client, pytest.raises(NotFound, match=r"nothing answers at http://127\.0\.0\.1:9"):
        client.classify(b"x")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadImage),
        (401, Unauthorised),
        (403, Unauthorised),
        (404, NotFound),
        (406, InvalidRequest),
        (413, TooLarge),
        (415, Unsupported),
        (500, JobFailed),
    ],
)
def test_an_error_is_raised_as_what_it_stands_for(status: int, error: type[Exception]) -> None:
    script = Script(refusal(status, "what happened"))
    with script.client() as client, pytest.raises(error, match="what happened"):
        client.classify(b"x")
    assert script.pauses == []


@pytest.mark.parametrize("content", [b"<html>proxy error</html>", b'{"message": 1}', b'["error"]', b""])
def test_an_error_of_somebody_else_s_shape(content: bytes) -> None:
    script = Script(httpx.Response(500, content=content))
    with script.client() as client, pytest.raises(JobFailed, match=r"the server answered 500: .+"):
        client.classify(b"x")


def test_a_real_endpoint(server: RunningServer, predictor: Predictor, tmp_path: Path, picture) -> None:
    (tmp_path / "a.jpg").write_bytes(picture("JPEG", (10, 250, 10)))
    (tmp_path / "b.jpg").write_bytes(b"junk")
    (tmp_path / "c.png").write_bytes(picture(size=(1001, 1000)))
    (tmp_path / "d.png").write_bytes(picture())
    first, second, third, fourth = predict(server.url, [tmp_path], top=2)
    assert isinstance(first, FilePrediction)
    assert (first.label, len(first.top)) == ("green", 2)
    assert first.top == pytest.approx(predictor.predict([(tmp_path / "a.jpg").read_bytes()]).top(2)[0])
    assert isinstance(second, FileProblem)
    assert "not an image" in second.reason
    assert isinstance(third, FileProblem)
    assert "1,000,000" in third.reason
    assert isinstance(fourth, FilePrediction)
    json.dumps([first.to_json(), fourth.to_json()])


def test_nobody_there(tmp_path: Path, picture) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        EndpointClient(f"http://127.0.0.1:{port}", patience=Patience(2, 0.01)) as client,
        pytest.raises(NotFound, match="is the endpoint running"),
    ):
        client.classify((tmp_path / "a.png").read_bytes())
