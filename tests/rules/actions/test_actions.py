"""Each action against a real server of its kind on this machine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from tintype.debugger.modes import Mode
from tintype.errors import InvalidRequest, StorageFailed, Unsupported
from tintype.rules.actions.action import Occasion
from tintype.rules.actions.email import Email, MailServer
from tintype.rules.actions.sms import Sms
from tintype.rules.actions.stop_training import StopTraining
from tintype.rules.actions.webhook import Webhook
from tintype.rules.finding import Finding, Remedy

FINDING = Finding("Overfit", 30, Mode.EVAL, 9, "loss", float("nan"), 0.1, "it is so", "a cause", Remedy("do this"))


def occasion(stopped: list[str] | None = None, job: str = "dogs-1") -> Occasion:
    told = [] if stopped is None else stopped
    return Occasion(job, "Overfit", "RuleEvaluationConditionMet: ...", FINDING, lambda: told.append(job))


class Hook(BaseHTTPRequestHandler):
    answers: ClassVar[list[int]] = []
    bodies: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.answers.pop(0))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def hook() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    Hook.answers, Hook.bodies = [], []
    yield f"http://127.0.0.1:{server.server_port}/secret"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_posted_again_after_a_failure(hook: str) -> None:
    Hook.answers[:] = [503, 200]
    pauses: list[float] = []
    assert Webhook(hook, pauses.append).perform(occasion()) == "posted to 127.0.0.1"
    body = json.loads(Hook.bodies[1])
    assert body["text"] == "rule Overfit in job dogs-1, step 30: it is so"
    assert body["finding"]["measured"] == "nan"
    assert pauses == [0.5]


@pytest.mark.parametrize(("answers", "tries"), [([404], 1), ([500, 500, 500], 3)])
def test_a_webhook_gives_up(hook: str, answers: list[int], tries: int) -> None:
    Hook.answers[:] = list(answers)
    with pytest.raises(StorageFailed, match=f"127.0.0.1: status {answers[-1]}") as error:
        Webhook(hook, lambda _: None).perform(occasion())
    assert len(Hook.bodies) == tries
    assert "secret" not in str(error.value)


def test_a_webhook_where_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StorageFailed, match="ConnectError"):
        Webhook(f"http://127.0.0.1:{port}/", lambda _: None).perform(occasion())


def smtp_server(listener: socket.socket, received: list[str]) -> None:
    """One conversation of RFC 5321, as far as a client without TLS and login needs it."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb", buffering=0) as stream:
        stream.write(b"220 here\r\n")
        in_message = False
        for raw in stream:
            line = raw.decode().rstrip("\r\n")
            if in_message:
                in_message = line != "."
                received.append(line)
                if not in_message:
                    stream.write(b"250 taken\r\n")
            elif line.upper() == "DATA":
                in_message = True
                stream.write(b"354 go on\r\n")
            elif line.upper() == "QUIT":
                stream.write(b"221 bye\r\n")
                return
            else:
                stream.write(b"250 fine\r\n")


def test_mail_is_sent() -> None:
    received: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=smtp_server, args=(listener, received))
        thread.start()
        server = MailServer("127.0.0.1", listener.getsockname()[1])
        assert Email("me@example.org", server).perform(occasion()) == "sent mail to me@example.org"
        thread.join()
    assert "Subject: Overfit: dogs-1 has an issue" in received
    assert "What to do: do this" in received


def test_mail_without_a_server_or_with_one_that_is_gone() -> None:
    with pytest.raises(InvalidRequest, match="TINTYPE_SMTP_HOST"):
        Email("me@example.org", MailServer()).perform(occasion())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StorageFailed, match=r"no mail could be sent over 127\.0\.0\.1"):
        Email("me@example.org", MailServer("127.0.0.1", port)).perform(occasion())


def test_a_training_is_stopped_when_its_name_fits() -> None:
    stopped: list[str] = []
    assert StopTraining("dogs").perform(occasion(stopped)) == "asked the job dogs-1 to stop"
    assert stopped == ["dogs-1"]
    with pytest.raises(InvalidRequest, match="does not begin with 'cats'"):
        StopTraining("cats").perform(occasion(stopped))
    with pytest.raises(InvalidRequest, match="there is no job to stop"):
        StopTraining().perform(occasion(stopped, job=""))
    assert stopped == ["dogs-1"]


def test_text_messages_are_not_sent() -> None:
    with pytest.raises(Unsupported, match="use the action webhook or email"):
        Sms("+49").perform(occasion())
