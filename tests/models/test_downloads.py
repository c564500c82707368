"""Downloads, from a server of our own on the loopback interface."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tintype.errors import NotFound
from tintype.models.downloads import from_hugging_face, from_url

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.end_headers()
            return
        self.send_response(200 if self.path in ("/file", "/cut") else 404)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:-1000] if self.path == "/cut" else CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        """Quietly."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["file", "moved"])
def test_a_file_arrives_whole(server: str, name: str, tmp_path: Path) -> None:
    path = from_url(f"{server}/{name}", tmp_path / "cache" / "w.pth", SHA256[:8])
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "sha256", "message"),
    [("file", "0000", "does not begin with 0000"), ("gone", SHA256, "404"), ("cut", SHA256, "cannot be fetched")],
)
def test_nothing_stays_of_a_file_that_did_not(
    server: str, name: str, sha256: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match=message):
        from_url(f"{server}/{name}", tmp_path / "w.pth", sha256)
    assert list(tmp_path.iterdir()) == []


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cannot be fetched"):
        from_url("http://127.0.0.1:9/w.pth", tmp_path / "w.pth", "")


def test_no_hub_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_url", lambda *_: "http://127.0.0.1:9/w")
    with pytest.raises(NotFound, match="cannot be fetched"):
        from_hugging_face("timm/resnet18", "model.safetensors", tmp_path)
