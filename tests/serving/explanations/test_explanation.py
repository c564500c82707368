"""Grad-CAM without gradients is torch's; without a pooling, patches find what matters; hostile bytes harm nobody."""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.serving.tiny_archive import PREPROCESSING, write_tiny_archive
from tintype.errors import BadArchive, BadImage, Busy, TimedOut
from tintype.models.archive import open_archive
from tintype.serving.explanations import explainer as module
from tintype.serving.explanations.explainer import Explainer
from tintype.serving.explanations.explanation import GRAD_CAM, OCCLUSION, explain


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("tiny")
    return open_archive(write_tiny_archive(folder / "model.tar.gz"), folder / "unpacked")


def halves(side: int = 16) -> np.ndarray:
    """uint8 (side, side, 3): red on the left, black on the right."""
    rgb = np.zeros((side, side, 3), np.uint8)
    rgb[:, : side // 2, 0] = 255
    return rgb


def png(rgb: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("deep", [False, True], ids=["one linear layer", "a head with bends"])
def test_it_is_torch_s_grad_cam(deep: bool, tmp_path: Path) -> None:
    import torch
    from torch import nn

    from tintype.models.export import export_onnx

    torch.manual_seed(0)
    eyes = nn.Sequential(nn.Conv2d(3, 24, 5, 2), nn.ReLU(), nn.Conv2d(24, 48, 5, 2), nn.Hardswish())
    mind = [nn.LayerNorm(48), nn.Linear(48, 32), nn.Hardswish(), nn.Linear(32, 5)] if deep else [nn.Linear(48, 5)]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *mind)
    path = tmp_path / "model.onnx"
    assert export_onnx(nn.Sequential(eyes, head), 48, path, 5).path
    image = np.random.default_rng(0).normal(size=(1, 3, 48, 48)).astype(np.float32)
    archive: Any = SimpleNamespace(onnx=path)
    for index in (None, 3):
        found = explain(archive, image, index)
        assert found.method == GRAD_CAM
        features: Any = eyes(torch.from_numpy(image))
        features.retain_grad()
        logits: Any = head(features)
        logits[0, found.index].backward()
        heat = torch.relu((features.grad.mean((2, 3), keepdim=True) * features).sum(1))[0].detach().numpy()
        assert np.abs(found.heat - heat / max(float(heat.max()), 1e-12)).max() < 0.02
        assert np.allclose(found.logits, logits[0].detach().numpy(), atol=1e-3)
    assert found.index == 3


def test_patches_find_the_red_half(tiny) -> None:
    found = explain(tiny, PREPROCESSING.normalise(halves()[None]), 0)
    assert found.method == OCCLUSION
    left, right = found.heat[:, :3], found.heat[:, 4:]
    assert left.min() > 0.5
    assert right.max() == 0
    assert float(found.heat.max()) == 1


def test_from_bytes_to_json_in_a_process_of_its_own(tiny) -> None:
    found = asyncio.run(Explainer().explain(tiny.directory, png(halves(64))))
    assert (found["method"], found["label"]) == (OCCLUSION, "red")
    assert [one["label"] for one in found["top"]] == ["red", "green", "blue"]
    assert len(found["heat"]) == len(found["heat"][0]) == 7
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["picture"]))))
    assert seen.shape == (16, 16, 3)
    assert seen[8, 2].tolist() == [255, 0, 0]


def test_what_is_no_picture_is_refused_and_a_broken_archive_too(tiny, tmp_path: Path) -> None:
    with pytest.raises(BadImage):
        asyncio.run(Explainer().explain(tiny.directory, b"not a picture"))
    with pytest.raises(BadArchive):
        asyncio.run(Explainer().explain(tmp_path, png(halves())))


def test_one_at_a_time_and_not_for_ever(tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        explainer = Explainer(seconds=0.01)             # less than starting Python takes
        outcomes = await asyncio.gather(
            *(explainer.explain(tiny.directory, png(halves())) for _ in range(3)), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [TimedOut, TimedOut, Busy]

    monkeypatch.setattr(module, "MOST_WAITING", 2)
    asyncio.run(main())
