"""SageMaker's inference contract: any subset of functions, the context, what is handed on and what comes back."""

from __future__ import annotations

import asyncio
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tintype.serving.scripts.contract import Context, Handler, HandlerAnswer, written

DEFAULTS = SimpleNamespace(
    default_model_fn=lambda model_dir: ["default model", model_dir],
    default_input_fn=lambda body, content_type: ["default input", body, content_type],
    default_predict_fn=lambda data, model: [data, model],
    default_output_fn=lambda prediction, accept: repr((prediction, accept)),
)


def module(**functions: Any) -> ModuleType:
    made = ModuleType("inference")
    vars(made).update(functions)
    return made


def loaded(script: ModuleType | None, default_accept: str = "application/json") -> Handler:
    handler = Handler(script, lambda: DEFAULTS, default_accept)         # pyright: ignore[reportArgumentType]
    handler.load(context())
    return handler


def context(**headers: str) -> Context:
    return Context("/opt/ml/model", None, headers)


def ask(handler: Handler, body: bytes = b"x", content_type: str | None = "image/jpeg", accept: str | None = None):
    return handler.answer(body, content_type, accept, context())


def test_without_a_script_all_functions_are_the_toolkits() -> None:
    text = ask(loaded(None)).content.decode()
    assert text == repr(
        ([["default input", b"x", "image/jpeg"], ["default model", "/opt/ml/model"]], "application/json")
    )


@pytest.mark.parametrize("own", ["model_fn", "input_fn", "predict_fn", "output_fn"])
def test_any_of_them_may_be_the_scripts(own: str) -> None:
    functions = {
        "model_fn": lambda model_dir: "mine",
        "input_fn": lambda body, content_type: "mine",
        "predict_fn": lambda data, model: "mine",
        "output_fn": lambda prediction, accept: "mine",
    }
    assert b"mine" in ask(loaded(module(**{own: functions[own]}))).content


class Asked:
    """Functions of all kinds that can be awaited, over something that belongs to the event loop of model_fn."""

    @staticmethod
    async def model_fn(model_dir: str) -> asyncio.Queue[str]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        await queue.put(model_dir)
        return queue

    @staticmethod
    async def input_fn(body: bytes, content_type: str, context: Context) -> str:
        await asyncio.sleep(0)
        return f"{body.decode()} as {content_type} for {context.model_dir}"

    @staticmethod
    async def predict_fn(data: str, model: asyncio.Queue[str]) -> str:
        asyncio.get_running_loop().call_soon(model.put_nowait, "the loop turns")
        return f"{data}, {await model.get()}, {await model.get()}"

    @staticmethod
    async def output_fn(prediction: str, accept: str) -> tuple[str, str]:
        return prediction, "text/plain"

    @staticmethod
    async def transform_fn(model: asyncio.Queue[str], body: bytes, content_type: str, accept: str) -> str:
        return await Asked.predict_fn(body.decode(), model)


FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn")


def test_functions_may_be_async() -> None:
    handler = loaded(module(**{name: getattr(Asked, name) for name in FUNCTIONS}))
    with handler.loop:
        answer = ask(handler)
    told = "x as image/jpeg for /opt/ml/model, /opt/ml/model, the loop turns"
    assert answer == HandlerAnswer(200, told.encode(), "text/plain")
    handler = loaded(module(model_fn=Asked.model_fn, transform_fn=Asked.transform_fn))
    with handler.loop:
        assert ask(handler).content == b"x, /opt/ml/model, the loop turns"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_one_of_them_may_be_async(name: str) -> None:
    async def mine(*_: Any) -> str:
        await asyncio.sleep(0)
        return "mine"

    async def takes_two(one: Any, two: Any) -> str:
        return await mine(one, two)

    async def takes_one(one: Any) -> str:
        return await mine(one)

    handler = loaded(module(**{name: takes_one if name == "model_fn" else takes_two}))
    with handler.loop:
        assert b"mine" in ask(handler).content


def test_what_is_async_may_fail_or_be_cancelled() -> None:
    async def predict_fn(data: bytes, model: Any) -> None:
        if data == b"cancel":
            task = asyncio.ensure_future(asyncio.sleep(60))
            task.cancel()
            await task
        raise KeyError("no such breed")

    handler = loaded(module(input_fn=lambda body, content_type: body, predict_fn=predict_fn))
    with handler.loop:
        failed, cancelled = ask(handler), ask(handler, b"cancel")
    assert (failed.status, failed.content[:15]) == (500, b"'no such breed'")
    assert (cancelled.status, cancelled.content[:37]) == (500, b"what the script awaited was cancelled")


def test_what_is_not_async_may_have_a_loop_of_its_own() -> None:
    async def double(number: int) -> int:
        return 2 * number

    script = module(
        model_fn=Asked.model_fn,
        input_fn=lambda body, content_type: asyncio.run(double(21)),
        predict_fn=lambda data, model: data,
        output_fn=lambda prediction, accept: f"{prediction}",
    )
    handler = loaded(script)
    with handler.loop:
        assert [ask(handler).content for _ in range(2)] == [b"42", b"42"]


def test_a_context_is_given_to_whoever_takes_one_argument_more() -> None:
    seen: list[Any] = []
    script = module(
        model_fn=lambda model_dir, context: seen.append(context.system_properties["model_dir"]) or "model",
        input_fn=lambda body, content_type, context: seen.append(context.get_request_header(0, "accept")),
        predict_fn=lambda data, model, context=None: context.set_response_status(201),
        output_fn=lambda prediction, accept, context: context.set_response_content_type(0, "text/x") or "done",
    )
    handler = loaded(script)
    answer = handler.answer(b"x", None, "a/b", context(Accept="a/b"))
    assert seen == ["/opt/ml/model", "a/b"]
    assert answer == HandlerAnswer(201, b"done", "text/x")


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", str), ("text/csv", str), ("application/json; charset=utf-8", bytes),
        ("image/jpeg", bytes), ("text/plain", bytes), (None, bytes),
    ],
)  # fmt: skip
def test_only_json_and_csv_exactly_are_text(content_type: str | None, kind: type) -> None:
    seen: list[Any] = []
    script = module(transform_fn=lambda model, body, content_type, accept: seen.append(body) or "")
    ask(loaded(script), b"[1]", content_type)
    assert type(seen[0]) is kind


@pytest.mark.parametrize(
    ("accept", "default", "given"),
    [
        (None, "application/json", "application/json"), ("*/*", "text/csv", "text/csv"), ("", "text/csv", "text/csv"),
        ("image/png", "text/csv", "image/png"),
    ],
)  # fmt: skip
def test_accept_and_its_default(accept: str | None, default: str, given: str) -> None:
    script = module(transform_fn=lambda model, body, content_type, accept: accept)
    assert ask(loaded(script, default), accept=accept) == HandlerAnswer(200, given.encode(), given)


@pytest.mark.parametrize(
    ("result", "content", "content_type"),
    [
        ("text", b"text", "application/json"),
        (b"bytes", b"bytes", "application/json"),
        (bytearray(b"array"), b"array", "application/json"),
        (("body", "text/html"), b"body", "text/html"),
        ({"a": [1]}, b'{\n  "a": [\n    1\n  ]\n}', "application/json"),
        ([["1"]], b'[\n  [\n    "1"\n  ]\n]', "application/json"),
        (None, b"null", "application/json"),
    ],
)
def test_what_a_handler_may_return(result: object, content: bytes, content_type: str) -> None:
    script = module(output_fn=lambda prediction, accept: result)
    assert ask(loaded(script)) == HandlerAnswer(200, content, content_type)


@pytest.mark.parametrize("status", [100, 199, 0, -1, 600, 999, "abc", None, True, 1e3])
def test_a_status_that_is_none_is_the_scripts_error(status: Any) -> None:
    def transform_fn(model: object, data: bytes, content_type: str, accept: str, context: Context) -> str:
        context.set_response_status(status)
        return "body"

    answer = ask(loaded(module(transform_fn=transform_fn)))
    assert answer.status == 500
    assert b"a number from 200 to 599" in answer.content


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(status: int) -> None:
    def transform_fn(model: object, data: bytes, content_type: str, accept: str, context: Context) -> str:
        context.set_response_status(status)
        return "body"

    assert ask(loaded(module(transform_fn=transform_fn))) == HandlerAnswer(status, b"", "application/json")


@pytest.mark.parametrize("value", ["text/plain\r\nX-Evil: 1", "text/\u65e5", "a\0b"])
def test_a_header_that_http_cannot_carry_is_the_scripts_error(value: str) -> None:
    answer = ask(loaded(module(transform_fn=lambda model, data, content_type, accept: ("x", value))))
    assert (answer.status, b"a line of Latin-1 text" in answer.content) == (500, True)

    def transform_fn(model: object, data: bytes, content_type: str, accept: str, context: Context) -> str:
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", value)
        return "body"

    given = context()
    handler = loaded(module(transform_fn=transform_fn))
    assert handler.answer(b"x", "image/jpeg", None, given).status == 500
    assert not given.headers


def test_a_header_of_the_request_is_handed_back_also_when_there_was_none() -> None:
    def transform_fn(model: object, data: bytes, content_type: str, accept: str, context: Context) -> str:
        context.set_response_header(0, "X-Mine", context.get_request_header(0, "X-Mine"))
        return "body"

    given = context()
    assert loaded(module(transform_fn=transform_fn)).answer(b"x", "image/jpeg", None, given).status == 200
    assert given.headers == {"x-mine": ""}


def test_an_answer_without_a_content_type_has_the_one_that_was_asked_for() -> None:
    transform_fn = lambda model, data, content_type, accept: ("x", None)        # noqa: E731
    assert ask(loaded(module(transform_fn=transform_fn)), accept="text/csv") == HandlerAnswer(200, b"x", "text/csv")


def test_an_error_is_500_with_message_and_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def input_fn(body: bytes, content_type: str) -> None:
        raise KeyError("no such breed")

    answer = ask(loaded(module(input_fn=input_fn)))
    assert answer.status == 500
    assert answer.content.startswith(b"'no such breed'\nTraceback")
    assert b"in input_fn" in answer.content
    assert "no such breed" in capsys.readouterr().err           # the endpoint's log has it too


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda body: "", b"takes 1 arguments but 2 were given"),
        (lambda body, content_type, context, more: "", b"takes 4 arguments but 2 were given"),
    ],
)
def test_a_function_of_another_shape_is_an_error(function: Any, message: bytes) -> None:
    assert message in ask(loaded(module(input_fn=function))).content


def test_bytes_that_are_no_text_and_results_that_are_no_json_are_errors() -> None:
    assert ask(loaded(None), b"\xff", "application/json").status == 500
    assert ask(loaded(module(output_fn=lambda prediction, accept: object()))).status == 500


def test_an_error_may_carry_its_own_status() -> None:
    class Refused(Exception):
        status_code = 415

    def input_fn(body: bytes, content_type: str) -> None:
        raise Refused("not this")

    assert ask(loaded(module(input_fn=input_fn))).status == 415


def test_transform_fn_excludes_the_other_three() -> None:
    script = module(transform_fn=lambda *_: "", output_fn=lambda *_: "")
    with pytest.raises(ValueError, match="Cannot use transform_fn"):
        Handler(script, lambda: DEFAULTS, "application/json")           # pyright: ignore[reportArgumentType]


def test_before_and_after_the_model() -> None:
    order: list[str] = []
    loaded(
        module(
            pre_model_fn=lambda model_dir: order.append("before"),
            model_fn=lambda model_dir: order.append("model"),
            model_warmup_fn=lambda model_dir, model: order.append("after"),
        )
    )
    assert order == ["before", "model", "after"]


def test_json_is_written_as_torchserve_does() -> None:
    assert written([1, 2]) == b"[\n  1,\n  2\n]"


def test_a_model_that_the_default_cannot_load_is_an_error_of_each_request_where_it_may_be() -> None:
    def fails(folder: str) -> Any:
        raise ValueError("no TorchScript; write a model_fn")

    lacking = SimpleNamespace(**{**vars(DEFAULTS), "default_model_fn": fails})

    def handler(script: ModuleType | None, may: bool) -> Handler:
        return Handler(script, lambda: lacking, "*/*", may_lack_model=may)         # pyright: ignore[reportArgumentType]

    warmed: list[Any] = []
    script = module(predict_fn=lambda data, model: "predicted", model_warmup_fn=lambda *given: warmed.append(given))
    started = handler(script, may=True)
    started.load(context())
    answer = ask(started)
    assert (answer.status, warmed) == (500, [])
    assert b"write a model_fn" in answer.content
    for strict in (handler(script, may=False), handler(module(model_fn=fails), may=True)):
        with pytest.raises(ValueError, match="write a model_fn"):
            strict.load(context())
