"""Replicas of our archives: several at once, started and stopped while others serve. Real processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.serving.running_server import PATIENCE_SECONDS
from tests.serving.tiny_archive import CLASSES, SIZE, write_tiny_archive
from tintype.errors import BadArchive, Busy, InvalidRequest, NotFound, TimedOut
from tintype.jobs.processes import is_running
from tintype.serving.content.arrays import write_npy
from tintype.serving.front.invocation import Arrival, Invocation
from tintype.serving.front.surroundings import Surroundings
from tintype.serving.model_definition import Kind, ModelDefinition
from tintype.serving.runtimes.predictor import Predictor
from tintype.serving.settings import ServerSettings
from tintype.serving.variants.replicas import Replicas
from tintype.serving.watching.metrics import Metrics
from tintype.serving.workers.nursery import Nursery

SETTINGS = ServerSettings(decoders=1, inference_threads=1)
Story = Callable[[Surroundings], Awaitable[None]]


def surrounded(tmp_path: Path, story: Story) -> None:
    async def run() -> None:
        nursery = Nursery()
        (tmp_path / "scratch").mkdir()
        around = Surroundings(nursery, tmp_path / "scratch", Metrics(), tmp_path / "environments")
        try:
            await asyncio.wait_for(story(around), PATIENCE_SECONDS)
        finally:
            nursery.close()
            await asyncio.sleep(0.02)
        assert not list((tmp_path / "scratch").iterdir())

    asyncio.run(run())


def image(content: bytes, **more: float) -> Invocation:
    return Invocation("id", content, "image/png", **more)       # pyright: ignore[reportArgumentType]


def test_an_answer_is_what_the_predictor_says_and_tells_what_capture_and_drift_need(
    archive: Path, predictor: Predictor, picture, tmp_path: Path
) -> None:
    contents = [picture(form, (90, 200, 30)) for form in ("JPEG", "PNG", "WEBP", "TIFF")]

    async def story(around: Surroundings) -> None:
        replicas = await Replicas.start(ModelDefinition(str(archive)), SETTINGS, around)
        assert replicas.kind is Kind.OURS
        for content in contents:
            answer = await replicas.invoke(Invocation("id", content, accept="application/json;format=list"))
            expected = predictor.predict([content])
            np.testing.assert_allclose(json.loads(answer.content), expected.probabilities, atol=1e-6)
            (classified,) = answer.classified
            assert (classified.label, classified.index) == (CLASSES[classified.index], 1)
            assert classified.probability == pytest.approx(float(expected.probabilities.max()))
            assert answer.brightness == (pytest.approx((90 + 200 + 30) / 3 / 255, abs=0.02),)
            assert set(answer.phases) == {"queue", "decode", "inference", "encode"}
            assert min(answer.phases.values()) >= 0
        await replicas.stop()

    surrounded(tmp_path, story)


def test_several_come_and_go_while_others_serve(archive: Path, picture, tmp_path: Path) -> None:
    other = write_tiny_archive(tmp_path / "other.tar.gz", classes=("rot", "gruen", "blau"))

    async def story(around: Surroundings) -> None:
        first = await Replicas.start(ModelDefinition(str(archive), "A"), SETTINGS, around)
        stop = asyncio.Event()

        async def ask() -> int:
            count = 0
            while not stop.is_set():
                answer = await first.invoke(image(picture()))
                assert json.loads(answer.content)["predictions"][0]["label"] == "red"
                count += 1
            return count

        asking = [asyncio.create_task(ask()) for _ in range(3)]
        for _ in range(3):
            second = await Replicas.start(ModelDefinition(str(other), "B"), SETTINGS, around)
            answer = await second.invoke(image(picture()))
            assert json.loads(answer.content)["predictions"][0]["label"] == "rot"
            facts = second.facts()
            await second.drain()
            await second.stop()
            while any(map(is_running, [*facts["workers"], *facts["decoders"]])):
                await asyncio.sleep(0.01)
        stop.set()
        assert min(await asyncio.gather(*asking)) > 5
        assert first.facts()["worker_deaths"] == first.facts()["decoder_deaths"] == {}
        await first.stop()

    surrounded(tmp_path, story)


def names_of_children() -> set[str]:
    names = set()
    for one in psutil.Process().children(True):
        with contextlib.suppress(psutil.NoSuchProcess):     # it has ended since
            names.add(one.name())
    return names


def test_full_is_busy_a_deadline_is_late_and_draining_waits(tmp_path: Path) -> None:
    slow = write_tiny_archive(tmp_path / "slow.tar.gz", repeats=60)
    body = write_npy(np.zeros((64, 3, SIZE, SIZE), np.float32))
    settings = SETTINGS.model_copy(update={"queue_capacity": 2})

    async def story(around: Surroundings) -> None:
        replicas = await Replicas.start(ModelDefinition(str(slow)), settings, around)
        asked = Invocation("id", body, "application/x-npy")
        inside = [asyncio.create_task(replicas.invoke(asked)) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            replicas.check_room(Arrival(60))
        with pytest.raises(Busy):
            await replicas.invoke(asked)
        await replicas.drain()
        assert [(await one).status for one in inside] == [200, 200]
        with pytest.raises(TimedOut):
            await replicas.invoke(Invocation("id", body, "application/x-npy", deadline=time.monotonic() + 0.02))
        with pytest.raises(TimedOut):
            await replicas.invoke(Invocation("id", body, "application/x-npy", deadline=time.monotonic() - 1))
        assert replicas.inside == 0
        await replicas.stop()

    surrounded(tmp_path, story)


def test_scaling_and_facts(archive: Path, picture, tmp_path: Path) -> None:
    async def story(around: Surroundings) -> None:
        replicas = await Replicas.start(ModelDefinition(str(archive), "A", workers=2), SETTINGS, around)
        assert len(replicas.facts()["workers"]) == 2
        await replicas.scale(3)
        assert len(set(replicas.facts()["workers"])) == 3
        await replicas.scale(1)
        while len(replicas.facts()["workers"]) > 1:
            await asyncio.sleep(0.01)
        assert (await replicas.invoke(image(picture()))).status == 200
        assert replicas.facts()["runtime"] == "onnxruntime"
        assert b'tintype_processes{kind="workers",variant="A"} 1.0' in around.metrics.text()
        await replicas.stop()
        assert b"tintype_processes{" not in around.metrics.text()

    surrounded(tmp_path, story)


def test_an_odd_tensor_harms_nobody_else_in_its_batch(archive: Path, picture, tmp_path: Path) -> None:
    odd = write_npy(np.full((3, SIZE, SIZE), 3e38, np.float32))

    async def story(around: Surroundings) -> None:
        replicas = await Replicas.start(ModelDefinition(str(archive)), SETTINGS, around)
        asked = [replicas.invoke(image(picture())), replicas.invoke(Invocation("id", odd, "application/x-npy"))]
        asked += [replicas.invoke(image(picture())) for _ in range(4)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(outcomes[1], InvalidRequest)
        assert [one.status for one in [outcomes[0], *outcomes[2:]]] == [200] * 5        # pyright: ignore
        await replicas.stop()

    surrounded(tmp_path, story)


@pytest.mark.parametrize(
    ("name", "kind"), [("none.tar.gz", NotFound), ("damaged.tar.gz", BadArchive), ("bad_onnx.tar.gz", BadArchive)]
)
def test_a_start_that_fails_leaves_nothing(archive: Path, tmp_path: Path, name: str, kind: type[Exception]) -> None:
    path = tmp_path / name
    if name == "damaged.tar.gz":
        path.write_bytes(archive.read_bytes()[:500])
    elif name == "bad_onnx.tar.gz":
        write_tiny_archive(path, classes=("one", "two"))        # its network has three

    async def story(around: Surroundings) -> None:
        with pytest.raises(kind):
            await Replicas.start(ModelDefinition(str(path)), SETTINGS, around)
        while {"tintype-decoder", "tintype-network"} & names_of_children():
            await asyncio.sleep(0.01)

    surrounded(tmp_path, story)
