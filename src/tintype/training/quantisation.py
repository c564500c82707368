"""A network in 8-bit integers, for processors that multiply those three to four times faster than floats (VNNI).

The ONNX graph of the network goes in; one with a QuantizeLinear/DequantizeLinear pair behind every tensor that a
convolution, an addition or a max pool reads or writes comes out, which is what ONNX Runtime fuses into integer kernels.

- weights: int8, one scale per output channel, symmetric
- activations: uint8, one scale per tensor, from the smallest and largest value over some sample images
- biases: int32; whatever else there is (means, sigmoids, the features that come out): float32

ONNX Runtime's own `quantize_static` does the same in 5 CPU seconds where this takes a tenth: too long for features that
take four. How far the result is from the network in floats is for the caller to measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tintype.datasets.transforms import Preprocessing
from tintype.errors import Unsupported
from tintype.models.pixel_blocks import INPUT, PixelBlocks
from tintype.training.pixel_stem import PixelStem

INTEGER_OPERATIONS = frozenset({"Conv", "Add", "MaxPool"})      # read and write 8-bit numbers
MERGED_OPERATIONS = frozenset({"Relu", "Clip"})                 # the kernel of what comes before them does them too
SMALLEST_SCALE = 1e-12
UINT8_STEPS, INT8_LARGEST = 255, 127

Images = NDArray[np.float32]        # (n, 3, s, s), normalised


@final
@dataclass(frozen=True)
class Range:
    """The values of a tensor, 0 among them."""

    low: float
    high: float

    @property
    def scale(self) -> np.float32:
        """The width of one of the 255 steps."""
        return np.float32(max((self.high - self.low) / UINT8_STEPS, SMALLEST_SCALE))

    @property
    def zero_point(self) -> np.uint8:
        """The integer that means 0."""
        return np.uint8(np.clip(round(-self.low / float(self.scale)), 0, UINT8_STEPS))


PIXELS = Range(0.0, 1.0)            # its steps are those of a pixel


def open_session(content: bytes, threads: int) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the CPU, with so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3      # errors only
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@final
@dataclass(frozen=True)
class Integers:
    """A network in integers, as ONNX."""

    content: bytes
    blocks: PixelBlocks | None      # None: it takes normalised floats, as the network in floats does


def quantise(
    content: bytes, samples: Iterable[Images], threads: int, preprocessing: Preprocessing | None = None
) -> Integers:
    """The ONNX network `content` in integers; `samples` are batches of images for the ranges of its tensors.

    With `preprocessing`, the one that its images have, it takes pixels in blocks if its first convolution suits. Raises
    `Unsupported` when it has no convolution, whose weights are constant, to gain from.
    """
    model = onnx.load_model_from_string(content)
    graph = model.graph
    _resolve_identities(graph)
    _fold_constants(model, threads)
    weights = {one.name: one for one in graph.initializer}
    if not any(node.op_type == "Conv" and node.input[1] in weights for node in graph.node):
        raise Unsupported("the network has no convolutions; integers would not make it faster")
    ranges = _measure(model, _integer_tensors(graph), samples, threads)
    stem = PixelStem.of(graph, preprocessing) if preprocessing else None
    nodes, constants = [], dict(weights)
    if stem is None:
        for name in (one.name for one in graph.input if one.name in ranges):
            nodes += _pair(name, ranges[name], constants)
    else:
        ranges[stem.images] = PIXELS
        nodes += stem.rewire(graph, _restored(stem.images), *_steps(INPUT, PIXELS, constants))
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in weights:
            is_first = stem is not None and stem.images in node.input
            nodes += _integer_weights(node, ranges[node.input[0]], weights, constants, stem if is_first else None)
        for place, name in enumerate(node.input):
            if name in ranges:
                node.input[place] = _restored(name)
        nodes.append(node)
        for name in node.output:
            if name in ranges:
                nodes += _pair(name, ranges[name], constants)
    used = {name for node in nodes for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(one for name, one in constants.items() if name in used)
    return Integers(model.SerializeToString(), stem and stem.blocks)


def _resolve_identities(graph: onnx.GraphProto) -> None:
    """Have everybody read the original of a copied tensor: exporters store equal weights only once."""
    originals: dict[str, str] = {}
    outputs = {one.name for one in graph.output}
    kept = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = originals.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in outputs:
            originals[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _fold_constants(model: onnx.ModelProto, threads: int) -> None:
    """Work out what follows from constants alone, such as the weights of networks that standardise them in every pass.

    ONNX Runtime could do it too, but changes more: additions that it moves then cannot be in integers (ConvNeXt).
    """
    graph = model.graph
    known = {one.name for one in graph.initializer}
    constant, others = [], []
    for node in graph.node:                                     # in the order of computation
        is_constant = known.issuperset(filter(None, node.input)) and not _has_subgraph(node)
        (constant if is_constant else others).append(node)
        known.update(node.output if is_constant else ())
    read = {name for node in others for name in node.input} | {one.name for one in graph.output}
    wanted = [name for node in constant for name in node.output if name in read]
    if not wanted:
        return
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.node[:], part.graph.input[:], part.graph.output[:]
    part.graph.node.extend(constant)
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    values = open_session(part.SerializeToString(), threads).run(wanted, {})
    del graph.node[:]
    graph.node.extend(others)
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in zip(wanted, values, strict=True)
    )


def _has_subgraph(node: onnx.NodeProto) -> bool:
    """Whether it is a condition or a loop, which may read anything."""
    return any(one.HasField("g") for one in node.attribute)


def _integer_tensors(graph: onnx.GraphProto) -> list[str]:
    """The tensors to be kept in 8 bits, in the order in which they are computed."""
    readers: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    outputs = {one.name for one in graph.output}
    constants = {one.name for one in graph.initializer}
    produced = [(one.name, "") for one in graph.input]
    produced += [(name, node.op_type) for node in graph.node for name in node.output]
    merged = {node.output[0] for node in graph.node if node.op_type in MERGED_OPERATIONS}
    found = []
    for name, made_by in produced:
        read_by = set(readers.get(name, ()))
        if name in outputs or name in constants:
            continue
        if made_by in INTEGER_OPERATIONS and read_by and read_by <= MERGED_OPERATIONS:
            continue                                # only what comes out of the Relu is ever stored
        if made_by in INTEGER_OPERATIONS or name in merged or read_by & INTEGER_OPERATIONS:
            found.append(name)
    return found


def _measure(model: onnx.ModelProto, names: list[str], samples: Iterable[Images], threads: int) -> dict[str, Range]:
    """Smallest and largest value of the tensors `names` over the samples; those that are not floats are left out."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    inputs = [one.name for one in model.graph.input]
    asked = [name for name in names if name not in inputs]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in asked)
    session = open_session(watched.SerializeToString(), threads)
    ranges: dict[str, Range] = {}
    for images in samples:
        values = [images, *(np.asarray(one) for one in session.run(asked, {inputs[0]: images}))]
        for name, value in zip((inputs[0], *asked), values, strict=True):
            if name in names and value.dtype == np.float32:
                ranges[name] = _widened(ranges.get(name, Range(0.0, 0.0)), value)
    return ranges


def _widened(known: Range, values: NDArray[Any]) -> Range:
    return Range(min(known.low, float(values.min())), max(known.high, float(values.max())))


def _pair(name: str, values: Range, constants: dict[str, onnx.TensorProto]) -> Iterator[onnx.NodeProto]:
    """The two nodes behind a tensor: to 8 bits, and back."""
    scale, zero = _steps(name, values, constants)
    stored = f"{name}.stored"
    yield helper.make_node("QuantizeLinear", [name, scale, zero], [stored])
    yield helper.make_node("DequantizeLinear", [stored, scale, zero], [_restored(name)])


def _steps(name: str, values: Range, constants: dict[str, onnx.TensorProto]) -> tuple[str, str]:
    """The names of the scale and of the zero point of a tensor."""
    scale = _constant(f"{name}.scale", np.asarray(values.scale), constants)
    return scale, _constant(f"{name}.zero_point", np.asarray(values.zero_point), constants)


def _integer_weights(
    node: onnx.NodeProto,
    images: Range,
    weights: dict[str, onnx.TensorProto],
    constants: dict[str, onnx.TensorProto],
    stem: PixelStem | None,
) -> Iterator[onnx.NodeProto]:
    """Nodes that restore the weights of the convolution `node` from integers; it is changed to read those."""
    kernel = numpy_helper.to_array(weights[node.input[1]])                              # (out, in, h, w)
    if stem:
        kernel = stem.kernel(kernel)
    largest = np.abs(kernel).reshape(len(kernel), -1).max(axis=1)
    scales = np.maximum(largest / INT8_LARGEST, SMALLEST_SCALE).astype(np.float32)      # (out,)
    integers = np.rint(kernel / scales[:, None, None, None]).astype(np.int8)
    yield _restore(node, 1, integers, scales, constants)
    has_bias = len(node.input) > 2 and node.input[2] in weights
    if has_bias or stem:
        bias = numpy_helper.to_array(weights[node.input[2]]).astype(np.float64) if has_bias else np.zeros(len(kernel))
        if not has_bias:
            node.input.append("")
        if stem:
            bias = stem.bias(integers * scales[:, None, None, None], bias)
        steps = scales * images.scale
        limits = np.iinfo(np.int32)
        rounded = np.rint(bias / steps).clip(limits.min, limits.max).astype(np.int32)
        yield _restore(node, 2, rounded, steps, constants)


def _restore(
    node: onnx.NodeProto,
    place: int,
    integers: NDArray[Any],
    scales: NDArray[np.float32],
    constants: dict[str, onnx.TensorProto],
) -> onnx.NodeProto:
    name = f"{node.output[0]}.input{place}"                     # a kernel may be shared, but not its bias's scale
    stored = _constant(f"{name}.stored", integers, constants)
    scale = _constant(f"{name}.scale", scales, constants)
    zero = _constant(f"{name}.zero_point", np.zeros(len(scales), integers.dtype), constants)
    node.input[place] = _restored(name)
    return helper.make_node("DequantizeLinear", [stored, scale, zero], [_restored(name)], axis=0)


def _constant(name: str, values: NDArray[Any], constants: dict[str, onnx.TensorProto]) -> str:
    constants[name] = numpy_helper.from_array(values, name)
    return name


def _restored(name: str) -> str:
    return f"{name}.restored"
