from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tintype.datasets.transforms import Preprocessing
from tintype.errors import Unsupported
from tintype.models.export import INPUT, export_onnx
from tintype.training.quantisation import Range, open_session, quantise

SIDE, FEATURES = 16, 12


class Residual(nn.Module):
    """What most convolutional networks are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.one = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, bias=False))
        self.two = nn.Conv2d(8, FEATURES, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.stem(images)
        maps = torch.relu(maps + self.one(maps))
        return nn.functional.hardswish(self.two(maps)).mean(dim=(2, 3))


def exported(module: nn.Module, path: Path) -> bytes:
    export = export_onnx(module, SIDE, path, FEATURES)
    assert export.path is not None, export.reason
    return export.path.read_bytes()


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    return Residual().eval()


@pytest.fixture(scope="module")
def content(module: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return exported(module, tmp_path_factory.mktemp("onnx") / "network.onnx")


def samples(seed: int, count: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3, SIDE, SIDE)).astype(np.float32)


def test_the_integer_network_answers_nearly_as_the_float_one(module: nn.Module, content: bytes) -> None:
    integers = open_session(quantise(content, [samples(0), samples(1)], threads=1).content, threads=1)
    images = samples(2)
    found = np.asarray(integers.run(None, {INPUT: images})[0])
    with torch.inference_mode():
        exact = module(torch.from_numpy(images)).numpy()
    assert found.shape == exact.shape
    assert found.dtype == np.float32
    difference = np.square(found - exact).sum() / np.square(exact - exact.mean(axis=0)).sum()
    assert 0 < difference < 0.1**2


def test_all_convolutions_and_additions_become_integer_kernels(content: bytes, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    integers = quantise(content, [samples(0)], threads=1).content
    onnxruntime.InferenceSession(integers, options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load_model(tmp_path / "optimised.onnx").graph.node)
    assert (kinds["QLinearConv"], kinds["QLinearAdd"]) == (4, 1)
    assert not {"Conv", "Add", "Relu"} & set(kinds)


def test_weights_are_stored_as_integers(content: bytes) -> None:
    assert len(quantise(content, [samples(0)], threads=1).content) < len(content) + 10_000
    graph = onnx.load_model_from_string(quantise(content, [samples(0)], threads=1).content).graph
    kinds = Counter(one.data_type for one in graph.initializer if len(one.dims) == 4)
    assert set(kinds) == {onnx.TensorProto.INT8}


def test_equal_weights_that_were_stored_once_are_found(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first, second = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
    second.load_state_dict(first.state_dict())
    network = nn.Sequential(first, nn.ReLU(), second, nn.Conv2d(3, FEATURES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    graph = onnx.load_model_from_string(quantise(exported(network, tmp_path / "n.onnx"), [samples(0)], 1).content).graph
    assert "Identity" not in {node.op_type for node in graph.node}
    restored = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    assert all(node.input[1] in restored for node in graph.node if node.op_type == "Conv")


class Standardised(nn.Module):
    """Networks without norms standardise the weights of their convolutions in every pass."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, channels, 3, 3))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        weights = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return nn.functional.conv2d(maps, weights / weights.std(dim=(1, 2, 3), keepdim=True), padding=1)


def test_weights_that_follow_from_constants_are_constant(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = (Standardised(3, 32), nn.ReLU(), Standardised(32, FEATURES), nn.AdaptiveAvgPool2d(1))
    content = exported(nn.Sequential(*layers, nn.Flatten()).eval(), tmp_path / "n.onnx")
    found = quantise(content, [samples(0)], 1, Preprocessing(SIDE))
    assert found.blocks is not None
    model = onnx.load_model_from_string(found.content)
    assert {node.op_type for node in model.graph.node} & {"Sub", "Div", "Sqrt", "ReduceMean"} == set()
    kernels = [one for one in model.graph.initializer if len(one.dims) == 4]
    assert [one.data_type for one in kernels] == [onnx.TensorProto.INT8] * 2
    onnx.checker.check_model(model)


def test_a_network_without_convolutions_is_refused(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, FEATURES))
    with pytest.raises(Unsupported, match="no convolutions"):
        quantise(exported(network, tmp_path / "n.onnx"), [samples(0)], threads=1)


@given(
    low=st.floats(-1e6, 0, allow_subnormal=False),
    high=st.floats(0, 1e6, allow_subnormal=False),
    share=st.floats(0, 1),
)
def test_a_range_holds_its_values_to_half_a_step_and_zero_exactly(low: float, high: float, share: float) -> None:
    values = Range(low, high)
    scale, zero = float(values.scale), int(values.zero_point)
    value = low + share * (high - low)
    stored = min(max(round(value / scale) + zero, 0), 255)
    assert (stored - zero) * scale == pytest.approx(value, abs=1.001 * scale)
    assert 0 <= zero <= 255
