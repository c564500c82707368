"""Asking an endpoint over HTTP: patient with a busy server, plain about a bad picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from urllib.parse import urlsplit

import httpx

from tintype.errors import BadImage, Busy, InvalidRequest, JobFailed, NotFound, TooLarge, Unauthorised, Unsupported
from tintype.serving.batch.file_predictions import Outcome, predict_files
from tintype.serving.batch.remote_files import files_of
from tintype.serving.content.predictions import Ranked
from tintype.serving.settings import is_loopback

ERRORS: dict[int, type[InvalidRequest]] = {400: BadImage, 413: TooLarge, 415: Unsupported}
BUSY = {408, 429, 502, 503, 504}            # the request did no harm and may do better later


@final
@dataclass(frozen=True)
class Patience:
    """How long to put up with a server that is busy or cannot be reached."""

    attempts: int = 6
    pause_seconds: float = 0.1              # before the second attempt; doubled after each
    timeout_seconds: float = 60.0           # SageMaker's limit for one answer

    @property
    def pauses(self) -> tuple[float, ...]:
        """Seconds between the attempts: one fewer than there are attempts."""
        return tuple(self.pause_seconds * 2**attempt for attempt in range(self.attempts - 1))


@final
class EndpointClient:
    """One endpoint. Several threads may use it at once; close it when done (it is a context manager)."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        patience: Patience | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`url` is the endpoint's, without a path; `transport` and `sleep` are for tests."""
        self.url = url.rstrip("/")
        self._patience = patience or Patience()
        self._sleep = sleep
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=self._patience.timeout_seconds,
            transport=transport,
            trust_env=not is_loopback(urlsplit(url).hostname or ""),       # a proxy cannot reach our loopback
        )

    def __enter__(self) -> EndpointClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def classify(self, content: bytes, top: int = 5) -> tuple[Ranked, ...]:
        """The `top` most probable classes of one picture file, the most probable first.

        Raises `InvalidRequest` when the server does not take the picture, `JobFailed` when it failed on it,
        `Unauthorised` for a wrong token, `Busy` or `NotFound` when it stayed busy or out of reach.
        """
        answer = self.invoke(content, "application/octet-stream", f"application/json;top={top}")
        (prediction,) = answer.json()["predictions"]
        return tuple(Ranked(**one) for one in prediction["top"])

    def invoke(self, content: bytes, content_type: str, accept: str) -> httpx.Response:
        """One POST /invocations, tried again while the server is busy or away. Raises as `classify` does."""
        headers = {"Content-Type": content_type, "Accept": accept}
        for pause in self._patience.pauses:
            try:
                return self._post(content, headers)
            except Busy as busy:
                self._sleep(max(pause, busy.retry_after_seconds))
            except httpx.TransportError:
                self._sleep(pause)
        try:
            return self._post(content, headers)
        except httpx.TransportError as error:
            raise NotFound(f"nothing answers at {self.url} ({error}); is the endpoint running?") from error

    def facts(self) -> dict[str, Any]:
        """What an endpoint tells of itself: its variants, drift, recent requests. Raises as `classify` does."""
        try:
            answer = self._http.get(f"{self.url}/try/facts")
        except httpx.TransportError as error:
            raise NotFound(f"nothing answers at {self.url} ({error}); is the endpoint running?") from error
        refuse_errors(answer, self.url)
        return answer.json()

    def _post(self, content: bytes, headers: dict[str, str]) -> httpx.Response:
        answer = self._http.post(f"{self.url}/invocations", content=content, headers=headers)
        refuse_errors(answer, self.url)
        return answer


def predict(
    url: str,
    paths: Sequence[str | Path],
    *,
    token: str | None = None,
    top: int = 5,
    workers: int = 4,
) -> list[Outcome]:
    """Ask the endpoint at `url` about files, folders and URLs; one outcome per file, in order.

    Raises as `classify` does, except that a picture which the server does not take is a `FileProblem` in the list.
    """
    files = files_of(paths)
    with EndpointClient(url, token=token) as client:
        return list(predict_files(lambda content: client.classify(content, top), files, workers))


def refuse_errors(answer: httpx.Response, url: str) -> None:
    """Raise the error that an answer stands for, if it does."""
    status = answer.status_code
    if answer.is_success:
        return
    message = message_of(answer)
    if status in BUSY:
        raise Busy(message, _seconds(answer.headers.get("retry-after")))
    if status in (401, 403):
        raise Unauthorised(message)
    if status in (404, 405):
        raise NotFound(f"{url} is no endpoint of Tintype: {message}")
    if answer.is_client_error:
        raise ERRORS.get(status, InvalidRequest)(message)
    raise JobFailed(f"the server answered {status}: {message}")


def message_of(answer: httpx.Response) -> str:
    """The message of an error answer, whatever shape it has."""
    try:
        document: Any = answer.json()
        return str(document["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return answer.text[:200].strip() or answer.reason_phrase


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdecimal() else 0.0
