"""A server whose network takes pixels says of every kind of request what its archive says without a server."""

from __future__ import annotations

import io
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.serving.integer_archive import written
from tests.serving.running_server import RunningServer
from tests.serving.tiny_archive import PREPROCESSING, SIZE
from tintype.serving.content.inputs import Pixels, Tensors
from tintype.serving.runtimes.predictor import Predictor

PIXELS = np.random.default_rng(5).integers(0, 256, (6, SIZE, SIZE, 3), dtype=np.uint8)
FLOATS = "application/json;format=list"


def array(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def ask(server: RunningServer, content: bytes, content_type: str) -> np.ndarray:
    headers = {"Content-Type": content_type, "Accept": FLOATS}
    request = urllib.request.Request(f"{server.url}/invocations", content, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return np.asarray(json.load(answer))


@pytest.mark.parametrize("takes_pixels", [True, False])
def test_all_kinds_of_requests(
    takes_pixels: bool, start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    found = written(tmp_path / "model", PREPROCESSING if takes_pixels else None)
    assert (found.blocks is not None) == takes_pixels
    alone = Predictor.of(found, runtime="int8", threads=1)
    server = start_server(found.directory, "--runtime=int8", "--images-per-request=6", "--workers=1")

    def expected(given: Pixels | Tensors) -> np.ndarray:
        return alone.infer(alone.prepare([given])).probabilities

    picture = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(picture, "PNG")
    tensors = PREPROCESSING.normalise(PIXELS)
    of_pixels = expected(Pixels(PIXELS))
    np.testing.assert_allclose(ask(server, picture.getvalue(), "image/png"), of_pixels[:1], atol=1e-6)
    np.testing.assert_allclose(ask(server, array(PIXELS), "application/x-npy"), of_pixels, atol=1e-6)
    of_tensors = expected(Tensors(tensors))
    np.testing.assert_allclose(ask(server, array(tensors), "application/x-npy"), of_tensors, atol=1e-6)
    np.testing.assert_allclose(of_tensors, of_pixels, atol=1e-6 if takes_pixels else 0.1)
    odd = np.where(tensors > 0, np.float32(3e38), np.float32(-3e38))
    np.testing.assert_allclose(ask(server, array(odd), "application/x-npy"), expected(Tensors(odd)), atol=1e-6)
    rest = ask(server, picture.getvalue(), "image/png")         # in a row that held another picture
    np.testing.assert_allclose(rest, of_pixels[:1], atol=1e-6)
    assert "Traceback" not in server.log.read_text()
