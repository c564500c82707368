from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from tintype.errors import StorageFailed
from tintype.models import export
from tintype.models.export import EXPORTERS, INPUT, OUTPUT, export_onnx
from tintype.models.networks import create, freeze
from tintype.models.onnx_file import refuse_external_data


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("name", "side"),
    [("small_cnn", 16), ("resnet18", 64), ("efficientnet_b0", 64), ("mobilenetv3_small_050", 64),
     ("vit_tiny_patch16_224", 32), ("convnext_atto", 64)],
)  # fmt: skip
def test_onnx_runtime_gives_the_networks_answers_for_any_batch(name: str, side: int, tmp_path: Path) -> None:
    network = create(name, 5, image_size=side)
    outcome = export_onnx(network.module, side, tmp_path / "model.onnx", classes=5)
    assert outcome.path == tmp_path / "model.onnx"
    assert outcome.reason is None
    assert outcome.max_difference is not None
    refuse_external_data(outcome.path)
    running = session(outcome.path)
    assert [(one.name, one.type, one.shape[1:]) for one in running.get_inputs()] == [
        (INPUT, "tensor(float)", [3, side, side])
    ]
    for batch in (1, 7):
        images = np.random.default_rng(batch).normal(size=(batch, 3, side, side)).astype(np.float32)
        (logits,) = running.run([OUTPUT], {INPUT: images})
        with torch.inference_mode():
            expected = network.module.eval()(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", EXPORTERS)
def test_each_exporter_does_it_alone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "EXPORTERS", {name: EXPORTERS[name]})
    network = create("small_cnn", 3, image_size=8)
    outcome = export_onnx(network.module, 8, tmp_path / "model.onnx", classes=3)
    assert outcome.reason is None
    assert session(tmp_path / "model.onnx").get_inputs()[0].shape[1:] == [3, 8, 8]


def test_the_network_is_left_as_it_was(tmp_path: Path) -> None:
    network = create("resnet18", 3, image_size=64)
    freeze(network, "backbone")
    network.module.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    before = {key: (tensor.clone(), tensor.stride()) for key, tensor in network.module.state_dict().items()}
    modes = [part.training for part in network.module.modules()]
    trainable = [parameter.requires_grad for parameter in network.module.parameters()]
    assert export_onnx(network.module, 64, tmp_path / "model.onnx", classes=3).path
    for key, tensor in network.module.state_dict().items():
        assert torch.equal(tensor, before[key][0])
        assert tensor.stride() == before[key][1]
    assert [part.training for part in network.module.modules()] == modes
    assert [parameter.requires_grad for parameter in network.module.parameters()] == trainable


def test_half_precision_weights_are_exported_as_single(tmp_path: Path) -> None:
    network = create("small_cnn", 3, image_size=8)
    outcome = export_onnx(network.module.to(torch.bfloat16), 8, tmp_path / "model.onnx", classes=3)
    assert outcome.path
    assert session(outcome.path).get_inputs()[0].type == "tensor(float)"


class Stubborn(nn.Module):
    """Gives something else each time, so that no exporter can be right about it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images.mean(dim=(2, 3))) + 100 * random.random()


def test_a_network_that_cannot_be_exported_is_no_error(tmp_path: Path) -> None:
    outcome = export_onnx(Stubborn(), 8, tmp_path / "model.onnx", classes=2)
    assert outcome.path is None
    assert outcome.max_difference is None
    assert outcome.reason is not None
    assert "differ from torch's" in outcome.reason
    assert all(name in outcome.reason for name in EXPORTERS)
    assert "\n" not in outcome.reason
    assert list(tmp_path.iterdir()) == []


def test_another_number_of_classes_than_said_is_found(tmp_path: Path) -> None:
    outcome = export_onnx(create("small_cnn", 3, image_size=8).module, 8, tmp_path / "model.onnx", classes=4)
    assert outcome.reason is not None
    assert "logits have the shape (3, 3), not (3, 4)" in outcome.reason


def test_a_batch_that_was_traced_as_a_constant_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class TwoImages(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(2, 3)).reshape(len(list(images)), 3)

    monkeypatch.setattr(export, "EXPORTERS", {"tracing": EXPORTERS["tracing"]})
    outcome = export_onnx(TwoImages(), 8, tmp_path / "model.onnx", classes=3)
    assert outcome.path is None


def test_the_second_exporter_takes_over_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pooling 8×8 to 7×7, as vgg does with small images, is something that tracing cannot express."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(3 * 7 * 7, 3))
    outcome = export_onnx(network, 8, tmp_path / "model.onnx", classes=3)
    assert outcome.path is not None
    assert outcome.reason is None
    assert capfd.readouterr().out == ""


def test_an_exporter_that_is_gone_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> NoReturn:
        raise AttributeError("module 'torch.onnx' has no attribute 'export'\nand more")

    monkeypatch.setattr(export, "EXPORTERS", {"tracing": gone, "torch.export": gone})
    outcome = export_onnx(create("small_cnn", 3, image_size=8).module, 8, tmp_path / "model.onnx", classes=3)
    assert outcome.reason == (
        "no ONNX file was made (tracing: module 'torch.onnx' has no attribute 'export'; "
        "torch.export: module 'torch.onnx' has no attribute 'export')"
    )


def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed):
        export_onnx(create("small_cnn", 3, image_size=8).module, 8, tmp_path / "file" / "model.onnx", classes=3)
