"""The token, the bounded queue as its callers see it, hang-ups and bugs that nobody may see, in one process."""

from __future__ import annotations

import asyncio
import contextlib
from typing import final

import httpx
import pytest
from starlette.types import ASGIApp

from tintype.errors import BadImage, Busy, TimedOut, Unauthorised
from tintype.serving.front import admission
from tintype.serving.front.admission import Coming, Queue, check_token
from tintype.serving.front.invocation import Answer, Arrival, Invocation
from tintype.serving.front.server import create_app
from tintype.serving.front.service import Service
from tintype.serving.options import parser, settings_of
from tintype.serving.settings import ServerSettings


@final
class GatedModel:
    """Answers when the gate opens, or raises what it was given."""

    def __init__(self, error: Exception | None = None, capacity: int = 64) -> None:
        self.gate = asyncio.Event()
        self.queue = Queue(capacity)
        self.error = error
        self.seen: list[Invocation] = []

    is_alive = True

    def check_room(self, arrival: Arrival) -> None:
        self.queue.check(arrival.seconds, arrival.coming)

    async def invoke(self, invocation: Invocation) -> Answer:
        with self.queue.admit():
            self.seen.append(invocation)
            await self.gate.wait()
            if self.error:
                raise self.error
            return Answer(200, b"[1]", "application/json", {"inference": 0.25}, custom_attributes="back", variant="A")


def app_of(model: GatedModel, token: str | None = None) -> ASGIApp:
    return create_app(Service(model, ServerSettings(), token))


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://server", timeout=30)


def test_over_the_capacity_is_429_at_once_and_the_rest_is_answered() -> None:
    async def story() -> None:
        model = GatedModel(capacity=2)
        async with client_of(app_of(model)) as client:
            inside = [asyncio.create_task(client.post("/invocations", content=b"x")) for _ in range(2)]
            while model.queue.inside < 2:
                await asyncio.sleep(0.01)
            refused = await client.post("/invocations", content=b"x")
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"]["type"] == "Busy"
            assert (await client.get("/ping")).status_code == 200       # a full queue is no illness
            model.gate.set()
            assert [one.status_code for one in await asyncio.gather(*inside)] == [200, 200]
            assert (await client.post("/invocations", content=b"x")).status_code == 200
        assert model.queue.inside == 0

    asyncio.run(story())


def ask(model: GatedModel, token: str | None = None, **options: object) -> httpx.Response:
    async def story() -> httpx.Response:
        model.gate.set()
        async with client_of(app_of(model, token)) as client:
            return await client.post("/invocations", **{"content": b"x", **options})

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (RuntimeError("secret detail"), 500, "InternalError"),
        (TimedOut("too late"), 504, "TimedOut"),
        (BadImage("not an image"), 400, "BadImage"),
    ],
)
def test_errors_have_one_shape_and_no_secrets(error: Exception, status: int, kind: str) -> None:
    answer = ask(GatedModel(error))
    assert answer.status_code == status
    (told,) = answer.json().values()
    assert (told["status"], told["type"]) == (status, kind)
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"]


def test_what_a_model_is_asked_and_what_is_handed_back() -> None:
    model = GatedModel()
    headers = {
        "Content-Type": "image/png",
        "Accept": "text/csv",
        "X-Request-Id": "my-own.1",
        "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
        "X-Amzn-SageMaker-Target-Variant": "B",
    }
    answer = ask(model, headers=headers)
    (asked,) = model.seen
    assert (asked.request_id, asked.content_type, asked.accept) == ("my-own.1", "image/png", "text/csv")
    assert (asked.custom_attributes, asked.target_variant, asked.body) == ("trace=1", "B", b"x")
    assert answer.headers["x-request-id"] == answer.headers["x-amzn-requestid"] == "my-own.1"
    assert answer.headers["x-amzn-invoked-production-variant"] == "A"
    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "back"


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
def test_the_token(header: dict[str, str], status: int) -> None:
    async def story() -> list[httpx.Response]:
        model = GatedModel()
        model.gate.set()
        async with client_of(app_of(model, token="s3cret")) as client:
            assert (await client.get("/ping")).status_code == 200
            return [
                await client.post("/invocations", content=b"x", headers=header),
                await client.get("/metrics", headers=header),
            ]

    for answer in asyncio.run(story()):
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


def test_who_would_be_answered_too_late_is_told_so_at_once() -> None:
    now = 100.0
    queue = Queue(64, clock=lambda: now)
    with contextlib.ExitStack() as inside:
        for _ in range(20):
            inside.enter_context(queue.admit())
        for _ in range(40):                             # one leaves every half second, and another comes
            now += 0.5
            with queue.admit():
                pass
        queue.check(seconds=10.1)
        with pytest.raises(Busy, match=r"the 20 requests before this one take about 10\.0 s, and it has 3\.0 s"):
            queue.check(seconds=3)
        with pytest.raises(Busy, match=r"about 12\.0 s"):
            queue.check(seconds=11, coming=4)
    queue.check(seconds=0.001)                          # nobody is before it


def test_a_place_is_kept_for_a_body_on_its_way_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "COMING_SECONDS", 0.05)

    async def story() -> None:
        coming = Coming()
        with coming.one(), coming.one():
            assert coming.count == 2
            while coming.count:
                await asyncio.sleep(0.005)
        assert coming.count == 0
        with coming.one():
            pass
        assert coming.count == 0

    asyncio.run(story())


def test_the_settings_travel_on_a_command_line() -> None:
    settings = ServerSettings(body_limit_bytes=7, default_accept="application/x-npy;scores=logits", drain_seconds=1.5)
    options = parser().parse_args(["--archive", "x", *settings.arguments()])
    assert settings_of(options) == settings
    assert ServerSettings().arguments() == []
