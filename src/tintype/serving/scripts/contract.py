"""SageMaker's inference contract: which functions a script has, what stands in for the rest, and how they are called.

Each may take one argument more than it needs, the context. `transform_fn` excludes the other three. A handler's answer
may be (body, content type). What is neither text nor bytes is written as JSON, as TorchServe does. Each may be an
`async def`: all of them run in one event loop, so that the others can use what model_fn has opened there.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import ModuleType
from typing import Any, Protocol, final

TEXT_TYPES = ("application/json", "text/csv")       # exactly: with parameters a body stays bytes
ANY = "*/*"
BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED)
HEADER = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
ERROR_TYPE = "text/plain; charset=utf-8"

Function = Callable[..., Any]


class Defaults(Protocol):
    """What stands in for missing functions: the module `defaults`."""

    def default_model_fn(self, model_dir: str, /) -> Any: ...

    def default_input_fn(self, body: str | bytes, content_type: str | None, /) -> Any: ...

    def default_predict_fn(self, data: Any, model: Any, /) -> Any: ...

    def default_output_fn(self, prediction: Any, accept: str, /) -> Any: ...


@final
@dataclass
class Context:
    """What a handler that asks for it gets: TorchServe's context, as far as scripts use it."""

    model_dir: str
    gpu_id: int | None
    request_headers: dict[str, str] = field(default_factory=dict)
    status: int = HTTPStatus.OK
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def system_properties(self) -> Mapping[str, Any]:
        """TorchServe's word."""
        return {"model_dir": self.model_dir, "gpu_id": self.gpu_id, "batch_size": 1}

    def get_request_header(self, index: int, name: str) -> str | None:
        """A header of the request; names are not case-sensitive."""
        wanted = name.lower()
        return next((value for key, value in self.request_headers.items() if key.lower() == wanted), None)

    def get_all_request_header(self, index: int) -> dict[str, str]:
        """All headers of the request."""
        return dict(self.request_headers)

    def set_response_content_type(self, index: int, value: str) -> None:
        """The content type of the answer."""
        self.content_type = value

    def set_response_header(self, index: int, name: str, value: str | None) -> None:
        """A header of the answer. Only X-Amzn-SageMaker-Custom-Attributes is handed on."""
        self.headers[name.lower()] = "" if value is None else value       # handed back from a request that had none

    def set_response_status(self, code: int = HTTPStatus.OK, phrase: str = "", index: int = 0) -> None:
        """The status of the answer."""
        self.status = code


@final
@dataclass(frozen=True)
class HandlerAnswer:
    """What a script answered to one request."""

    status: int
    content: bytes
    content_type: str


@final
class Handler:
    """A script's functions over a loaded model."""

    def __init__(
        self,
        script: ModuleType | None,
        defaults: Callable[[], Defaults],
        default_accept: str,
        *,
        may_lack_model: bool = False,
    ) -> None:
        """`script` is None when the archive has none. `defaults` is called when one of them is needed.

        With `may_lack_model` a script without model_fn starts when the default one cannot load the archive, as in
        SageMaker's container, and whoever asks is told. Raises `ValueError` for a script that has transform_fn and one
        of the functions that it excludes.
        """
        self._script = script
        self._defaults = defaults
        self._default_accept = default_accept
        self._may_lack_model = may_lack_model
        self._model: Any = None
        self._missing: Exception | None = None          # why there is no model
        self.loop = asyncio.Runner()                    # of what is `async`; there is none before that
        self._transform = self._own("transform_fn")
        if self._transform and any(map(self._own, ("input_fn", "predict_fn", "output_fn"))):
            raise ValueError(
                "Cannot use transform_fn implementation in conjunction with input_fn, predict_fn, and/or output_fn "
                "implementation"
            )

    def load(self, context: Context) -> None:
        """Call model_fn, and pre_model_fn before and model_warmup_fn after it where the script has them."""
        if before := self._own("pre_model_fn"):
            self._call(before, (context.model_dir,), context)
        try:
            self._model = self._call(self._function("model_fn"), (context.model_dir,), context)
        except Exception as error:
            if self._own("model_fn") or not self._may_lack_model:
                raise
            self._missing = error
            print(f"there is no model, and every request will be answered so: {error}", file=sys.stderr, flush=True)
            return
        if after := self._own("model_warmup_fn"):
            self._call(after, (context.model_dir, self._model), context)

    def answer(self, body: bytes, content_type: str | None, accept: str | None, context: Context) -> HandlerAnswer:
        """One request. An error of the script's is status 500 with its message and its traceback, as the toolkit's."""
        try:
            if self._missing is not None:
                raise self._missing
            wanted = accept if accept and accept != ANY else self._default_accept
            data = body.decode() if content_type in TEXT_TYPES else body
            result = self._result(data, content_type, wanted, context)
            if isinstance(result, tuple):
                result, wanted = result[0], result[1] or wanted
            content_type = str(context.content_type or wanted)
            _check_head(context, content_type)
            return HandlerAnswer(context.status, b"" if context.status in BODILESS else written(result), content_type)
        except Exception as error:
            traceback.print_exc()
            text = f"{error or 'Invalid Request'}\n{traceback.format_exc()}"
            return HandlerAnswer(_status_of(error), text.encode(errors="replace"), ERROR_TYPE)

    def _result(self, data: str | bytes, content_type: str | None, accept: str, context: Context) -> Any:
        if self._transform:
            return self._call(self._transform, (self._model, data, content_type, accept), context)
        given = self._call(self._function("input_fn"), (data, content_type), context)
        prediction = self._call(self._function("predict_fn"), (given, self._model), context)
        return self._call(self._function("output_fn"), (prediction, accept), context)

    def _call(self, function: Function, arguments: tuple[Any, ...], context: Context) -> Any:
        """With the context as well when the function takes one argument more; awaited when it is `async`."""
        taken = len(inspect.signature(function).parameters)
        if taken not in (len(arguments), len(arguments) + 1):
            name = getattr(function, "__name__", repr(function))
            raise TypeError(f"{name} takes {taken} arguments but {len(arguments)} were given.")
        result = function(*arguments, context) if taken > len(arguments) else function(*arguments)
        return self.loop.run(_awaited(result)) if isinstance(result, Coroutine) else result

    def _own(self, name: str) -> Function | None:
        return getattr(self._script, name, None)

    def _function(self, name: str) -> Function:
        return self._own(name) or getattr(self._defaults(), f"default_{name}")


def written(result: Any) -> bytes:
    """A handler's result as the bytes of an answer."""
    if isinstance(result, (bytes, bytearray)):
        return bytes(result)
    if isinstance(result, str):
        return result.encode()
    return json.dumps(result, indent=2).encode()


async def _awaited(result: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await result
    except asyncio.CancelledError as error:             # no `Exception`: it would end the process
        raise RuntimeError("what the script awaited was cancelled") from error


def _check_head(context: Context, content_type: str) -> None:
    """`ValueError` for a status or a header that HTTP cannot carry: sent, it would cost the caller its connection."""
    if type(context.status) not in (int, HTTPStatus) or not HTTPStatus.OK <= context.status < 600:
        raise ValueError(f"the status of an answer is a number from 200 to 599, got {context.status!r}")
    for value in (content_type, *context.headers.values()):
        if not isinstance(value, str) or not HEADER.fullmatch(value):
            context.headers.clear()
            raise ValueError(f"a header is a line of Latin-1 text, got {value!r}")


def _status_of(error: Exception) -> int:
    """Errors of the toolkit's kind, which a script may raise itself, carry a status."""
    status = getattr(error, "status_code", None)
    is_error = isinstance(status, int) and HTTPStatus.BAD_REQUEST <= status < 600
    return int(status) if is_error and status is not None else HTTPStatus.INTERNAL_SERVER_ERROR
