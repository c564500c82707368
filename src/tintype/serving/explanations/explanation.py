"""Where in a picture a network looks: Grad-CAM computed from the ONNX file alone, without torch and without gradients.

A network that pools its last feature map A (channels, h, w) into one number per channel p, and computes its logits
from p, is cut there. d logit / d p is had by nudging each channel of p in one batch through the head, which is small;
Grad-CAM is relu(sum over k of (d logit / d p_k) A_k), as a mean over h and w has the same derivative everywhere
(Selvaraju et al., 2017; with one linear layer it is Zhou et al.'s class activation map, 2016). A network without such a
place is asked again and again with a grey patch in front of each part of the picture, and where its confidence falls,
it had looked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tintype.models.archive import Archive
from tintype.models.network_input import NORMALISED as INPUT
from tintype.models.network_input import OUTPUT
from tintype.serving.runtimes.onnx_runtime import ERRORS_ONLY

GRAD_CAM, OCCLUSION = "Grad-CAM", "occlusion"
PATCHES = 7                     # a side: 49 pictures with a patch
NUDGED = 512                    # channels at a time
POOLS = {"GlobalAveragePool", "ReduceMean", "AveragePool"}


@final
@dataclass(frozen=True, eq=False)
class Explanation:
    """Where the network looked when it gave a class its score."""

    method: str
    index: int                  # of the class
    logits: np.ndarray          # float32 (classes,)
    heat: np.ndarray            # float32 (rows, columns), 0 to 1; all 0 when nothing speaks for the class


def explain(archive: Archive, image: np.ndarray, index: int | None = None) -> Explanation:
    """Explain one class, the most probable by default, of `image`: float32 (1, 3, size, size), normalised.

    The archive must have an ONNX file. Whatever ONNX Runtime raises for a broken one comes through.
    """
    model = onnx.load(str(archive.onnx))
    cut = find_cut(model)
    if cut is not None:
        return _by_cut(model, cut, image, index)
    return _by_occlusion(_session(model), image, index)


@final
@dataclass(frozen=True)
class Cut:
    """The place where a network pools its last feature map."""

    features: str               # the tensor (n, channels, h, w)
    pooled: str                 # the tensor (n, channels, ...)


def find_cut(model: ModelProto) -> Cut | None:
    """The last pooling that everything goes through on its way to the logits; None when there is none."""
    makers = {name: node for node in model.graph.node for name in node.output}
    ranks = _ranks(model)
    for node in _upwards(makers, OUTPUT):
        pools_a_map = node.op_type in POOLS and node.input[0] != INPUT and ranks.get(node.input[0]) == 4
        if pools_a_map and _pools_all(node, model):
            cut = Cut(node.input[0], node.output[0])
            if not _reaches(makers, OUTPUT, INPUT, without=cut.pooled):
                return cut
    return None


def _by_cut(model: ModelProto, cut: Cut, image: np.ndarray, index: int | None) -> Explanation:
    seeing = ModelProto()
    seeing.CopyFrom(model)
    seeing.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                               for name in (cut.features, cut.pooled))  # fmt: skip
    logits, features, pooled = _run(_session(seeing), [OUTPUT, cut.features, cut.pooled], {INPUT: image})
    chosen = int(logits[0].argmax()) if index is None else index
    slopes = _slopes(_session(_head(model, cut.pooled)), cut.pooled, pooled[0], chosen)
    heat = np.maximum(np.einsum("k,khw->hw", slopes, features[0]), 0)
    return Explanation(GRAD_CAM, chosen, logits[0], _to_one(heat))


def _slopes(head: onnxruntime.InferenceSession, name: str, pooled: np.ndarray, index: int) -> np.ndarray:
    """d logit / d pooled, (channels,): by nudging one channel per row."""
    step = max(0.1 * float(pooled.std()), 1e-2)
    (before,) = _run(head, [OUTPUT], {name: pooled[None]})
    slopes = np.empty(len(pooled), np.float32)
    for start in range(0, len(pooled), NUDGED):
        channels = np.arange(start, min(start + NUDGED, len(pooled)))
        rows = np.repeat(pooled[None], len(channels), axis=0)
        rows[np.arange(len(channels)), channels] += step
        (after,) = _run(head, [OUTPUT], {name: rows})
        slopes[channels] = (after[:, index] - before[0, index]) / step
    return slopes


def _by_occlusion(network: onnxruntime.InferenceSession, image: np.ndarray, index: int | None) -> Explanation:
    (logits,) = _run(network, [OUTPUT], {INPUT: image})
    chosen = int(logits[0].argmax()) if index is None else index
    edges = np.linspace(0, image.shape[-1], PATCHES + 1).astype(int)
    heat = np.zeros((PATCHES, PATCHES), np.float32)
    before = _probability(logits[0], chosen)
    for row in range(PATCHES):
        hidden = np.repeat(image, PATCHES, axis=0)
        for column in range(PATCHES):
            hidden[column, :, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = 0    # the mean colour
        (after,) = _run(network, [OUTPUT], {INPUT: hidden})
        heat[row] = [before - _probability(one, chosen) for one in after]
    return Explanation(OCCLUSION, chosen, logits[0], _to_one(np.maximum(heat, 0)))


def _probability(logits: np.ndarray, index: int) -> float:
    shifted = np.exp(logits.astype(np.float64) - logits.max())
    return float(shifted[index] / shifted.sum())


def _to_one(heat: np.ndarray) -> np.ndarray:
    most = float(heat.max())
    return (heat / most if most > 0 else heat).astype(np.float32)


def _session(model: ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession, outputs: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [np.asarray(one) for one in session.run(outputs, feeds)]


def _head(model: ModelProto, pooled: str) -> ModelProto:
    """What comes after the cut: pooled -> logits."""
    makers = {name: node for node in model.graph.node for name in node.output}
    needed = {id(node) for node in _upwards(makers, OUTPUT, without=pooled)}
    nodes = [node for node in model.graph.node if id(node) in needed]
    read = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info(pooled, TensorProto.FLOAT, None)],
        [one for one in model.graph.output if one.name == OUTPUT],
        [one for one in model.graph.initializer if one.name in read],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _upwards(makers: dict[str, NodeProto], start: str, without: str = "") -> Iterator[NodeProto]:
    """The nodes that `start` is made by, nearest first; nothing of what is behind the tensor `without`."""
    names, seen = [start], {start, without}
    while names:
        node = makers.get(names.pop(0))
        if node is None:
            continue
        yield node
        fresh = [name for name in node.input if name not in seen]
        seen.update(fresh)
        names += fresh


def _reaches(makers: dict[str, NodeProto], start: str, end: str, without: str) -> bool:
    return any(end in node.input for node in _upwards(makers, start, without))


def _ranks(model: ModelProto) -> dict[str, int]:
    """The number of dimensions of the tensors for which it can be inferred."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = [*graph.value_info, *graph.input, *graph.output]
    return {one.name: len(one.type.tensor_type.shape.dim) for one in known if one.type.tensor_type.HasField("shape")}


def _pools_all(node: NodeProto, model: ModelProto) -> bool:
    """True when nothing of height and width is left."""
    attributes: dict[str, Any] = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    if node.op_type == "ReduceMean":
        axes = attributes.get("axes") or _constant(node.input[1] if len(node.input) > 1 else "", model)
        return sorted(int(axis) % 4 for axis in axes) == [2, 3]
    if node.op_type == "AveragePool":
        sizes = _sizes(node.input[0], model)
        return sizes is not None and list(attributes.get("kernel_shape", ())) == sizes
    return True


def _constant(name: str, model: ModelProto) -> list[int]:
    for one in model.graph.initializer:
        if one.name == name:
            return numpy_helper.to_array(one).ravel().tolist()
    for node in model.graph.node:
        if node.op_type == "Constant" and name in node.output:
            return numpy_helper.to_array(helper.get_attribute_value(node.attribute[0])).ravel().tolist()
    return []


def _sizes(name: str, model: ModelProto) -> list[int] | None:
    for one in onnx.shape_inference.infer_shapes(model).graph.value_info:
        if one.name == name:
            return [dim.dim_value for dim in one.type.tensor_type.shape.dim][2:]
    return None
