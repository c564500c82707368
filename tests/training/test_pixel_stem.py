from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tintype.datasets.transforms import Preprocessing
from tintype.models.export import export_onnx
from tintype.models.network_input import NORMALISED, network_input
from tintype.models.pixel_blocks import INPUT, PixelBlocks
from tintype.training.pixel_stem import PixelStem
from tintype.training.quantisation import Integers, open_session, quantise

SIDE, CLASSES = 32, 5
PREPROCESSING = Preprocessing(SIDE)
PICTURES = np.random.default_rng(0).integers(0, 256, (24, SIDE, SIDE, 3), dtype=np.uint8)
IMAGES = PREPROCESSING.normalise(PICTURES)


class Classifier(nn.Module):
    """A first convolution, and what may follow it."""

    def __init__(self, stem: nn.Module, channels: int = 8) -> None:
        super().__init__()
        self.stem = stem
        self.body = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(8, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.stem(images)).mean(dim=(2, 3)))


class TwoReaders(Classifier):
    """The images are looked at twice."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) + images.mean(dim=(1, 2, 3))[:, None]


def stem(kernel: int, stride: int, padding: int, *, bias: bool = True, **more: int) -> nn.Conv2d:
    return nn.Conv2d(3, 8, kernel, stride, padding, bias=bias, **more)      # pyright: ignore[reportArgumentType]


def exported(module: nn.Module, folder: Path, side: int = SIDE) -> bytes:
    export = export_onnx(module.eval(), side, folder / "network.onnx", CLASSES)
    assert export.path is not None, export.reason
    return export.path.read_bytes()


def answers(content: bytes, blocks: PixelBlocks | None, pictures: np.ndarray) -> np.ndarray:
    layout = network_input(PREPROCESSING, blocks)
    batch = layout.empty(len(pictures))
    for row, picture in zip(batch, pictures, strict=True):
        layout.put_pixels(row, picture)
    return np.asarray(open_session(content, threads=1).run(None, {layout.name: batch})[0])


def off(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.sqrt(np.square(found - exact).sum() / np.square(exact - exact.mean(axis=0)).sum()))


@pytest.mark.parametrize(
    "first",
    [stem(7, 2, 3), stem(3, 2, 1, bias=False), stem(3, 1, 1), stem(4, 4, 0), stem(16, 16, 0), stem(5, 2, 0)],
    ids=["7/2", "3/2 without bias", "3/1", "4/4", "16/16", "5/2 without padding"],
)
def test_the_network_answers_from_pixels_as_from_floats(first: nn.Conv2d, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Classifier(first)
    nn.init.normal_(first.weight)
    content = exported(module, tmp_path)
    found = quantise(content, [IMAGES[:8], IMAGES[8:16]], 1, PREPROCESSING)
    assert found.blocks is not None
    exact = answers(content, None, PICTURES)
    floats = quantise(content, [IMAGES[:8], IMAGES[8:16]], 1)
    assert floats.blocks is None
    assert off(answers(floats.content, None, PICTURES), exact) < 0.1
    assert off(answers(found.content, found.blocks, PICTURES), exact) < 0.1


def test_no_node_but_integer_kernels_comes_before_the_first_convolution(tmp_path: Path) -> None:
    import onnxruntime

    integers = quantise(exported(Classifier(stem(7, 2, 3)), tmp_path), [IMAGES], 1, PREPROCESSING)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(integers.content, options, providers=["CPUExecutionProvider"])
    graph = onnx.load_model(tmp_path / "optimised.onnx").graph
    (reader,) = [node.op_type for node in graph.node if INPUT in node.input]
    assert reader == "QLinearConv"


@pytest.mark.parametrize(
    ("module", "preprocessing"),
    [
        (TwoReaders(stem(3, 1, 1)), PREPROCESSING),
        (Classifier(nn.Sequential(nn.ReLU(), stem(3, 1, 1))), PREPROCESSING),
        (Classifier(stem(3, 1, 2, dilation=2)), PREPROCESSING),
        (Classifier(nn.Conv2d(3, 9, 3, groups=3), channels=9), PREPROCESSING),
        (Classifier(stem(3, 3, 1)), PREPROCESSING),                                     # 32 px are no threes
        (Classifier(stem(3, 1, 1)), Preprocessing(SIDE, mean=(0.5, 0.5, 1.5))),         # no pixel is its zero
    ],
    ids=["read twice", "not first", "dilated", "in groups", "stride of three", "mean of no pixel"],
)
def test_other_networks_keep_their_floats(module: nn.Module, preprocessing: Preprocessing, tmp_path: Path) -> None:
    content = exported(module, tmp_path)
    found = quantise(content, [IMAGES], 1, preprocessing)
    assert found == Integers(quantise(content, [IMAGES], 1).content, None)
    (taken,) = [one.name for one in onnx.load_model_from_string(found.content).graph.input]
    assert taken == NORMALISED


def test_a_weight_that_is_no_constant_is_left_alone(tmp_path: Path) -> None:
    graph = onnx.load_model_from_string(exported(Classifier(stem(3, 1, 1)), tmp_path)).graph
    assert PixelStem.of(graph, PREPROCESSING) is not None
    first = next(node for node in graph.node if node.op_type == "Conv")
    first.input[1] = graph.input[0].name
    assert PixelStem.of(graph, PREPROCESSING) is None
