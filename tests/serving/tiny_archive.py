"""A model archive made in milliseconds: it tells red, green and blue pictures apart, by ONNX alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from tintype.datasets.transforms import Preprocessing
from tintype.models.archive import Description, write

CLASSES = ("red", "green", "blue")
SIZE = 16
PREPROCESSING = Preprocessing(SIZE, "crop", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def write_tiny_archive(path: Path, *, classes: tuple[str, ...] = CLASSES, repeats: int = 0, gain: float = 2.0) -> Path:
    """logits = gain x the mean of each channel; `repeats` wide layers that change nothing make it slow."""
    directory = path.parent / f"{path.name}.files"
    directory.mkdir(parents=True, exist_ok=True)
    onnx.save(colour_model(repeats, gain), directory / "model.onnx")
    save_file({"gain": np.array([gain], np.float32)}, directory / "model.safetensors")
    description = Description(
        network="small_cnn", classes=classes, image_size=SIZE, preprocessing=PREPROCESSING.to_json()
    )
    write(path, description, {name: directory / name for name in ("model.onnx", "model.safetensors")})
    return path


def colour_model(repeats: int, gain: float) -> onnx.ModelProto:
    """images (n, 3, s, s) float32 -> logits (n, 3)."""
    width = 1500
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["means", "gain"], ["scaled"]),
        helper.make_node("Identity", ["scaled"], ["answer"]),
    ]
    constants = [helper.make_tensor("gain", TensorProto.FLOAT, [1], [gain])]
    if repeats:
        # (n, 3) -> (n, width, 3) -> many products with a wide zero matrix -> a zero that is added at the end
        constants += [
            helper.make_tensor("wide", TensorProto.FLOAT, [3, width], [0.0] * 3 * width),
            helper.make_tensor("square", TensorProto.FLOAT, [width, width], np.zeros(width * width, np.float32)),
            helper.make_tensor("back", TensorProto.FLOAT, [width, 3], [0.0] * 3 * width),
        ]
        nodes.append(helper.make_node("MatMul", ["scaled", "wide"], ["step0"]))
        nodes += [helper.make_node("MatMul", [f"step{i}", "square"], [f"step{i + 1}"]) for i in range(repeats)]
        nodes.append(helper.make_node("MatMul", [f"step{repeats}", "back"], ["nothing"]))
        nodes.append(helper.make_node("Add", ["answer", "nothing"], ["logits"]))
    else:
        nodes.append(helper.make_node("Identity", ["answer"], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
