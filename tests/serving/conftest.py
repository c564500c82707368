"""A tiny model, pictures of one colour in every format, and a real server on loopback."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.serving.running_server import RunningServer, launch
from tests.serving.tiny_archive import write_tiny_archive
from tintype.records import Records
from tintype.serving.endpoints.store import Endpoints
from tintype.serving.runtimes.predictor import Predictor

Colour = tuple[int, int, int]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_archive(tmp_path_factory.mktemp("archive") / "model.tar.gz")


@pytest.fixture(scope="session")
def predictor(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.open(archive, tmp_path_factory.mktemp("unpacked") / "model", threads=1)


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """(form, colour, size) -> the bytes of a picture file."""

    def make(form: str = "PNG", colour: Colour = (250, 10, 10), size: tuple[int, int] = (40, 24)) -> bytes:
        stream = io.BytesIO()
        Image.new("RGB", size, colour).save(stream, form)
        return stream.getvalue()

    return make


@pytest.fixture(scope="module")
def server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for the tests of a file, with small limits, so that they can be met. None may leave it a traceback."""
    limits = ("--body-limit-bytes=300000", "--images-per-request=4", "--body-seconds=1", "--max-pixels=1000000")
    running = launch(archive, tmp_path_factory.mktemp("server"), *limits)
    yield running
    running.close()
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """(archive, *options) -> a server that ends with the test."""
    started: list[RunningServer] = []

    def start(archive: Path, *options: str) -> RunningServer:
        directory = tmp_path / f"server{len(started)}"
        directory.mkdir()
        started.append(launch(archive, directory, *options))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def endpoints(tmp_path: Path) -> Iterator[Endpoints]:
    """Endpoints of their own, which end with the test."""
    records = Records.open(f"sqlite:///{tmp_path / 'records.db'}")
    made = Endpoints(records)
    yield made
    for one in made.list():
        made.delete(one.name)
    records.close()
