"""The bounded queue, the token and the bugs that nobody may see, in one process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette

from tintype.errors import Busy, Unauthorised
from tintype.models.archive import Archive
from tintype.serving.__main__ import parser, settings_of
from tintype.serving.admission import Queue, check_token
from tintype.serving.predictor import Predictor
from tintype.serving.server import create_app
from tintype.serving.settings import ServerSettings


class GatedRuntime:
    """Answers when the gate opens; fails when told to."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.bug = False

    def logits(self, images: np.ndarray) -> np.ndarray:
        assert self.gate.wait(20)
        if self.bug:
            raise RuntimeError("secret detail")
        return images.mean(axis=(2, 3))


@pytest.fixture
def runtime() -> Iterator[GatedRuntime]:
    made = GatedRuntime()
    yield made
    made.gate.set()


def app_of(archive: Archive, runtime: GatedRuntime, token: str | None = None, **settings: int) -> Starlette:
    return create_app(Predictor(archive, "gated", runtime), ServerSettings(**settings), token)


def client_of(app: Starlette) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://server", timeout=30)


def test_over_the_capacity_is_429_at_once_and_the_rest_is_answered(predictor, runtime, picture) -> None:
    app = app_of(predictor.archive, runtime, queue_capacity=2)

    async def story() -> None:
        async with client_of(app) as client:
            inside = [asyncio.create_task(client.post("/invocations", content=picture())) for _ in range(2)]
            while app.state.service.queue.inside < 2:
                await asyncio.sleep(0.01)
            refused = await client.post("/invocations", content=picture())
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"]["type"] == "Busy"
            assert (await client.get("/ping")).status_code == 200       # a full queue is no illness
            runtime.gate.set()
            assert [one.status_code for one in await asyncio.gather(*inside)] == [200, 200]
            assert (await client.post("/invocations", content=picture())).status_code == 200

    asyncio.run(story())
    assert app.state.service.queue.inside == 0


def test_a_bug_is_a_500_without_its_secrets(predictor, runtime, picture) -> None:
    runtime.gate.set()
    runtime.bug = True
    app = app_of(predictor.archive, runtime)

    async def story() -> httpx.Response:
        async with client_of(app) as client:
            return await client.post("/invocations", content=picture())

    answer = asyncio.run(story())
    assert answer.status_code == 500
    message = "the server failed on this request; its log says how"
    assert answer.json() == {"error": {"status": 500, "type": "InternalError", "message": message}}
    assert app.state.service.queue.inside == 0


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic s3cret"}, 401),
        ({"Authorization": "Bearer s3cret!"}, 401),
        ({"Authorization": "Bearer \u00e9".encode()}, 401),
        ({"Authorization": "Bearer s3cret"}, 200),
        ({"Authorization": "bearer  s3cret"}, 200),
    ],
)
def test_the_token(predictor, runtime, picture, header: dict[str, str], status: int) -> None:
    runtime.gate.set()
    app = app_of(predictor.archive, runtime, token="s3cret")

    async def story() -> httpx.Response:
        async with client_of(app) as client:
            assert (await client.get("/ping")).status_code == 200
            return await client.post("/invocations", content=picture(), headers=header)

    answer = asyncio.run(story())
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["type"] == "Unauthorised"
        assert "s3cret" not in answer.text


def test_admission_by_itself() -> None:
    queue = Queue(1)
    with queue.admit():
        with pytest.raises(Busy, match="all 1 places"), queue.admit():
            pass
        assert queue.inside == 1
    with pytest.raises(RuntimeError), queue.admit():
        raise RuntimeError
    assert queue.inside == 0
    check_token(None, None)
    with pytest.raises(Unauthorised):
        check_token("Bearer ", "s3cret")


def test_the_settings_travel_on_a_command_line() -> None:
    settings = ServerSettings(body_limit_bytes=7, default_accept="application/x-npy;scores=logits", drain_seconds=1.5)
    options = parser().parse_args(["--archive", str(Path("x")), *settings.arguments()])
    assert settings_of(options) == settings
    assert ServerSettings().arguments() == []
