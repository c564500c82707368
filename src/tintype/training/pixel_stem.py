"""The first convolution of a network in integers, over the pixels themselves instead of normalised floats.

    w * (p / 255 - mean) / std + b  =  (w / std) * (p / 255) + (b - sum(w mean / std)), where * is the convolution

So pixels go in as they are, 8-bit numbers with a scale of 1/255, and nothing is rounded on the way in. They come in
blocks, see `models.pixel_blocks`, for which the weights are rearranged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from tintype.datasets.transforms import Preprocessing
from tintype.models.pixel_blocks import CHANNELS, INPUT, PixelBlocks

LARGEST_BORDER_ERROR = 0.51         # steps between a pixel and its neighbour, that the border's pixel may be off 0
ATTRIBUTES = {"pads": [0, 0, 0, 0], "strides": [1, 1]}


@final
@dataclass(frozen=True, eq=False)
class PixelStem:
    """The only reader of a network's images, which suits."""

    node: onnx.NodeProto
    images: str                     # the name of the input that it reads
    pads: tuple[int, int, int, int]
    blocks: PixelBlocks
    mean: NDArray[np.float64]       # (3,)
    std: NDArray[np.float64]

    @classmethod
    def of(cls, graph: onnx.GraphProto, preprocessing: Preprocessing) -> Self | None:
        """That of a network with such preprocessing; None: it has to have floats."""
        weights = {one.name: one for one in graph.initializer}
        inputs = [one.name for one in graph.input if one.name not in weights]
        readers = [node for node in graph.node for name in node.input if name in inputs]
        if len(inputs) != 1 or len(readers) != 1 or inputs[0] in [one.name for one in graph.output]:
            return None
        (node,) = readers
        said = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        is_plain = node.op_type == "Conv" and node.input[0] == inputs[0] and set(node.input[1:]) <= set(weights)
        if not is_plain or said.get("group", 1) != 1 or set(said.get("dilations", [1])) != {1}:
            return None
        outputs, channels, *kernel = weights[node.input[1]].dims
        if said.get("auto_pad", b"NOTSET") != b"NOTSET" or len(kernel) != 2 or channels != CHANNELS or not outputs:
            return None
        steps = np.diff(preprocessing.levels).mean(axis=1)
        if (np.abs(preprocessing.levels).min(axis=1) > LARGEST_BORDER_ERROR * steps).any():
            return None
        top, left, bottom, right = said.get("pads", [0, 0, 0, 0])
        down, across = said.get("strides", [1, 1])
        blocks = PixelBlocks.before(
            preprocessing.size, (kernel[0], kernel[1]), (down, across), (top, left, bottom, right)
        )
        mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
        return blocks and cls(node, inputs[0], (top, left, bottom, right), blocks, mean, std)

    def kernel(self, weights: NDArray[Any]) -> NDArray[np.float32]:
        """The weights (out, 3, height, width), as they are over blocks of p / 255."""
        return self.blocks.kernel((weights / self.std[:, None, None]).astype(np.float32), self.pads)

    def bias(self, weights: NDArray[Any], bias: NDArray[Any] | float) -> NDArray[np.float64]:
        """(out,): what is added, when the weights over blocks are these, as they are once they have been rounded."""
        means = np.tile(self.mean, self.blocks.block**2)
        return bias - (weights.astype(np.float64) * means[:, None, None]).sum(axis=(1, 2, 3))

    def rewire(self, graph: onnx.GraphProto, restored: str, scale: str, zero: str) -> list[onnx.NodeProto]:
        """Let the graph take blocks and its convolution read them. The nodes that make `restored`, p / 255, of them."""
        old = next(one for one in graph.input if one.name == self.images)
        count = old.type.tensor_type.shape.dim[0].dim_param or "n"
        shape = [count, self.blocks.rows, self.blocks.columns, CHANNELS * self.blocks.block**2]
        graph.input.remove(old)
        graph.input.append(helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, shape))
        for one in [one for one in self.node.attribute if one.name in (*ATTRIBUTES, "kernel_shape")]:
            self.node.attribute.remove(one)
        self.node.attribute.extend(helper.make_attribute(name, value) for name, value in ATTRIBUTES.items())
        stored = f"{INPUT}.stored"      # ONNX Runtime keeps integers in this order: it does not turn them at all
        return [
            helper.make_node("Transpose", [INPUT], [stored], perm=[0, 3, 1, 2]),
            helper.make_node("DequantizeLinear", [stored, scale, zero], [restored]),
        ]
