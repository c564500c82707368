"""Users' scripts in processes of their own: real processes, a real front's parts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.serving.running_server import PATIENCE_SECONDS
from tintype.errors import InvalidRequest, JobFailed, TimedOut
from tintype.serving.front.invocation import Answer, Invocation
from tintype.serving.front.surroundings import Surroundings
from tintype.serving.model_definition import Kind, ModelDefinition
from tintype.serving.settings import ServerSettings
from tintype.serving.variants.replicas import Replicas
from tintype.serving.watching.metrics import Metrics
from tintype.serving.workers.nursery import Nursery

SCRIPT = """
import json, os, sys, time
def model_fn(model_dir):
    print("loading from", model_dir)
    assert open(os.path.join(model_dir, "weights")).read() == "5"
    return {"model_dir": model_dir}
def transform_fn(model, body, content_type, accept, context):
    asked = json.loads(body)
    while "meet" in asked:                  # until so many processes are at it at once
        open(os.path.join(asked["meet"], str(os.getpid())), "w").close()
        if len(os.listdir(asked["meet"])) >= asked["processes"]:
            break
        time.sleep(0.01)
    if "sleep" in asked:
        time.sleep(asked["sleep"])
    if "die" in asked:
        os.kill(os.getpid(), asked["die"])
    if "fail" in asked:
        raise ValueError(asked["fail"])
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "seen")
    told = {"pid": os.getpid(), "dir": model["model_dir"], "cwd": os.getcwd(), "fds": os.listdir("/proc/self/fd")}
    return json.dumps({**told, "attributes": context.get_request_header(0, "x-amzn-sagemaker-custom-attributes")})
"""
Story = Callable[[Replicas], Awaitable[None]]


def archive_of(tmp_path: Path, script: str = SCRIPT, **files: str) -> Path:
    root = tmp_path / "content"
    (root / "code").mkdir(parents=True)
    (root / "code" / "inference.py").write_text(script)
    (root / "weights").write_text("5")
    for name, text in files.items():
        (root / "code" / name.replace("__", ".")).write_text(text)
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as bundle:
        bundle.add(root, arcname="/")           # its first member has no name, as the SDK's repacking leaves it
    return path


def with_replicas(tmp_path: Path, definition: ModelDefinition, story: Story) -> None:
    async def run() -> None:
        nursery = Nursery()
        (tmp_path / "scratch").mkdir()
        around = Surroundings(nursery, tmp_path / "scratch", Metrics(), tmp_path / "environments")
        try:
            replicas = await Replicas.start(definition, ServerSettings(), around)
            try:
                await asyncio.wait_for(story(replicas), PATIENCE_SECONDS)
            finally:
                await replicas.stop()
        finally:
            nursery.close()
            await asyncio.sleep(0.01)
            assert not list((tmp_path / "scratch").iterdir())

    asyncio.run(run())


async def ask(replicas: Replicas, asked: object, **more: str) -> Answer:
    invocation = Invocation("id", json.dumps(asked).encode(), "application/json", **more)       # pyright: ignore
    return await replicas.invoke(invocation)


def test_a_script_answers_fails_hangs_and_dies_and_the_next_request_is_answered(tmp_path: Path) -> None:
    environment = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "4"}
    definition = ModelDefinition(str(archive_of(tmp_path)), environment=environment)

    async def story(replicas: Replicas) -> None:
        assert replicas.kind is Kind.SCRIPT
        answer = await ask(replicas, {}, custom_attributes="mine")
        told = json.loads(answer.content)
        assert told["attributes"] == "mine"
        assert answer.custom_attributes == "seen"
        assert told["dir"] == "/opt/ml/model" or told["dir"].endswith("/ml/model")
        assert told["cwd"].endswith("/ml/model/code")
        assert len(told["fds"]) <= 5
        assert answer.phases["inference"] > 0
        failed = await ask(replicas, {"fail": "no such breed"})
        assert (failed.status, failed.content[:14]) == (500, b"no such breed\n")
        with pytest.raises(TimedOut, match="within 4 s"):
            await ask(replicas, {"sleep": 100})
        with pytest.raises(JobFailed, match="died on this request"):
            await ask(replicas, {"die": signal.SIGSEGV})
        again = json.loads((await ask(replicas, {})).content)
        assert again["pid"] != told["pid"]
        assert replicas.facts()["worker_deaths"] == {"timeout": 1, "crash": 1}

    with_replicas(tmp_path, definition, story)


ASYNC = """
import asyncio, json, os
async def model_fn(model_dir):
    await asyncio.sleep(0)
    return {"loop": id(asyncio.get_running_loop()), "requests": asyncio.Queue()}
async def input_fn(body, content_type):
    return json.loads(body)
async def predict_fn(data, model):
    assert id(asyncio.get_running_loop()) == model["loop"]
    await model["requests"].put(data)
    if "fail" in data:
        await asyncio.wait_for(asyncio.sleep(60), 0.001)
    return model["requests"].qsize()
async def output_fn(prediction, accept, context):
    return str(prediction)
"""


def test_a_script_may_be_async_all_through(tmp_path: Path) -> None:
    async def story(replicas: Replicas) -> None:
        answers = [await ask(replicas, one) for one in ({}, {"fail": 1}, {})]
        assert [one.status for one in answers] == [200, 500, 200]
        assert [answers[0].content, answers[2].content] == [b"1", b"3"]
        assert b"TimeoutError" in answers[1].content
        assert not replicas.facts()["worker_deaths"]

    with_replicas(tmp_path, ModelDefinition(str(archive_of(tmp_path, ASYNC))), story)


def test_wishes_that_overlap_end_with_as_many_processes_as_the_last_one_says(tmp_path: Path) -> None:
    async def story(replicas: Replicas) -> None:
        scaling = []
        for workers in (2, 3, 2):               # by load, while a script takes long to start
            scaling.append(asyncio.create_task(replicas.scale(workers)))
            await asyncio.sleep(0.01)
        await asyncio.gather(*scaling)
        while len(replicas.facts()["workers"]) != 2:
            await asyncio.sleep(0.01)
        answers = await asyncio.gather(*(ask(replicas, {"meet": str(meeting), "processes": 2}) for _ in range(2)))
        assert {one.status for one in answers} == {200}
        assert len(list(meeting.iterdir())) == 2

    meeting = tmp_path / "meeting"
    meeting.mkdir()
    with_replicas(tmp_path, ModelDefinition(str(archive_of(tmp_path))), story)


POOLED = """
import json, multiprocessing, os, signal, subprocess
def model_fn(model_dir):
    return multiprocessing.get_context("fork")
def square(number):
    return number * number
def transform_fn(model, body, content_type, accept):
    os.kill(os.getpid(), signal.SIGTERM)                # the process itself ends when the front says so
    with model.Pool(2) as pool:                         # leaving it terminates its workers
        squares = pool.map(square, json.loads(body))
    sleeper = subprocess.Popen(["sleep", "1000"])
    sleeper.terminate()
    return json.dumps([*squares, sleeper.wait()])
"""


def test_what_a_script_starts_it_can_terminate(tmp_path: Path) -> None:
    async def story(replicas: Replicas) -> None:
        answer = await ask(replicas, [1, 2, 3])
        assert json.loads(answer.content) == [1, 4, 9, -signal.SIGTERM]

    with_replicas(tmp_path, ModelDefinition(str(archive_of(tmp_path, POOLED))), story)


def test_several_processes_take_requests_in_turn_and_scaling_loses_none(tmp_path: Path) -> None:
    definition = ModelDefinition(str(archive_of(tmp_path)), workers=2)

    async def story(replicas: Replicas) -> None:
        (tmp_path / "met").mkdir()
        meeting = {"meet": str(tmp_path / "met"), "processes": 2}
        answers = await asyncio.gather(*(ask(replicas, meeting) for _ in range(4)))
        assert len({json.loads(one.content)["pid"] for one in answers}) == 2
        inside = asyncio.gather(*(ask(replicas, {"sleep": 0.2}) for _ in range(4)))
        await asyncio.sleep(0.05)
        await replicas.scale(1)
        assert [one.status for one in await inside] == [200] * 4
        while len(replicas.facts()["workers"]) > 1:
            await asyncio.sleep(0.01)

    with_replicas(tmp_path, definition, story)


def test_whoever_goes_away_does_not_disturb_the_script(tmp_path: Path) -> None:
    definition = ModelDefinition(str(archive_of(tmp_path)))

    async def story(replicas: Replicas) -> None:
        pid = json.loads((await ask(replicas, {})).content)["pid"]
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ask(replicas, {"sleep": 0.2}), 0.05)
        assert json.loads((await ask(replicas, {})).content)["pid"] == pid
        assert replicas.inside == 0

    with_replicas(tmp_path, definition, story)


def test_a_script_apart_from_the_weights(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, "raise ImportError('not this one')")
    source = tmp_path / "source"
    (source / "lib").mkdir(parents=True)
    (source / "serve.py").write_text(
        "from lib.words import WORD\nmodel_fn = lambda d: 0\ntransform_fn = lambda m, b, c, a: WORD\n"
    )
    (source / "lib" / "words.py").write_text("WORD = 'apart'\n")
    (source / "lib" / "__init__.py").write_text("")

    async def story(replicas: Replicas) -> None:
        assert (await ask(replicas, {})).content == b"apart"

    with_replicas(tmp_path, ModelDefinition(str(archive), entry_point="serve.py", source=str(source)), story)


@pytest.mark.parametrize(
    ("script", "files", "kind", "message"),
    [
        ("def model_fn(d):\n    raise OSError('no weights here')\n", {}, JobFailed, "OSError: no weights here"),
        ("import nothing_like_this\n", {}, JobFailed, "No module named 'nothing_like_this'"),
        ("raise SystemExit(3)\n", {}, JobFailed, "SystemExit: 3"),
        ("raise ValueError('half a character: \\ud800')\n", {}, JobFailed, r"half a character: \\ud800$"),
        ("import os\nos._exit(1)\n", {}, JobFailed, "ended before its model was loaded"),
        ("def transform_fn(*a): pass\ndef input_fn(*a): pass\n", {}, JobFailed, "Cannot use transform_fn"),
        (SCRIPT, {"requirements__txt": "no-such-package-as-this==99\n"}, InvalidRequest, "requirements.txt"),
    ],
)
def test_a_script_that_does_not_load_says_why(
    tmp_path: Path, script: str, files: dict[str, str], kind: type[Exception], message: str
) -> None:
    async def story(replicas: Replicas) -> None:
        raise AssertionError("it cannot start")

    definition = ModelDefinition(str(archive_of(tmp_path, script, **files)))
    with pytest.raises(kind, match=message):
        with_replicas(tmp_path, definition, story)


def test_a_process_that_is_killed_between_requests_is_not_asked(tmp_path: Path) -> None:
    definition = ModelDefinition(str(archive_of(tmp_path)))

    async def story(replicas: Replicas) -> None:
        pid = json.loads((await ask(replicas, {})).content)["pid"]
        os.kill(pid, signal.SIGKILL)
        while replicas.facts()["workers"] == [pid]:
            await asyncio.sleep(0.005)
        assert (await ask(replicas, {})).status == 200

    with_replicas(tmp_path, definition, story)
