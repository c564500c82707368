from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tintype.errors import BadArchive
from tintype.models.onnx_file import refuse_external_data


def tensor(name: str = "w") -> TensorProto:
    return numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), name)


def elsewhere(name: str = "w", location: str = "../../etc/passwd") -> TensorProto:
    outside = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2, 3], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value=location)
    return outside


def model_of(*nodes: onnx.NodeProto, initializers: tuple[TensorProto, ...] = ()) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    inputs, outputs = [value("x", TensorProto.FLOAT, ["n", 3])], [value("y", TensorProto.FLOAT, ["n", 2])]
    return helper.make_model(helper.make_graph(list(nodes), "g", inputs, outputs, list(initializers)))


def in_initializer(outside: TensorProto) -> onnx.ModelProto:
    return model_of(helper.make_node("Gemm", ["x", "w"], ["y"]), initializers=(outside,))


def in_constant(outside: TensorProto) -> onnx.ModelProto:
    return model_of(helper.make_node("Constant", [], ["w"], value=outside))


def in_branch(outside: TensorProto) -> onnx.ModelProto:
    branch = helper.make_graph([helper.make_node("Constant", [], ["w"], value=outside)], "b", [], [])
    return model_of(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))


def in_function(outside: TensorProto) -> onnx.ModelProto:
    model = model_of(helper.make_node("F", ["x"], ["y"], domain="d"))
    node = helper.make_node("Constant", [], ["w"], value=outside)
    model.functions.append(helper.make_function("d", "F", ["x"], ["y"], [node], [helper.make_opsetid("", 18)]))
    return model


def in_sparse(outside: TensorProto) -> onnx.ModelProto:
    model = in_initializer(tensor("v"))
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=outside, indices=tensor("i"), dims=[2]))
    return model


def in_training(outside: TensorProto) -> onnx.ModelProto:
    model = in_initializer(tensor())
    model.training_info.add().initialization.initializer.append(outside)
    return model


PLACES = [in_initializer, in_constant, in_branch, in_function, in_sparse, in_training]


def check(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    refuse_external_data(tmp_path / "model.onnx")


@pytest.mark.parametrize("place", PLACES)
def test_tensors_inside_are_welcome_and_outside_refused(
    tmp_path: Path, place: Callable[[TensorProto], onnx.ModelProto]
) -> None:
    check(tmp_path, place(tensor()).SerializeToString())
    with pytest.raises(BadArchive, match=r"model\.onnx keeps tensors in other files"):
        check(tmp_path, place(elsewhere()).SerializeToString())


def test_a_location_without_a_path_is_refused_too(tmp_path: Path) -> None:
    outside = tensor()
    outside.data_location = TensorProto.EXTERNAL
    with pytest.raises(BadArchive, match="other files"):
        check(tmp_path, in_initializer(outside).SerializeToString())
    pathless = tensor()
    pathless.external_data.add(key="location", value="x")
    with pytest.raises(BadArchive, match="other files"):
        check(tmp_path, in_initializer(pathless).SerializeToString())


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"not onnx at all", b"\x0a\xff\xff\xff\xff\x0f", b"\xff" * 40, b"\x3a\x05ab", b"\x3b\x3c", b"\x0d\0"],
)
def test_what_is_not_a_whole_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadArchive, match=r"model\.onnx is"):
        check(tmp_path, content)


def test_the_private_format_of_onnx_runtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="private format"):
        check(tmp_path, b"\x14\x00\x00\x00ORTM" + bytes(100))


def test_a_thousand_nested_branches_are_refused(tmp_path: Path) -> None:
    def field(number: int, content: bytes) -> bytes:
        size, length = len(content), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    graph = b""
    for _ in range(1000):
        graph = field(1, field(5, field(6, graph)))         # node, attribute, graph
    with pytest.raises(BadArchive, match="not a whole"):
        check(tmp_path, field(7, graph))


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255), data=st.data())
def test_no_change_of_one_byte_slips_an_outside_tensor_through(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int, data: st.DataObject
) -> None:
    """Whatever `onnx` itself reads as external must be refused here, however the file is malformed."""
    place = data.draw(st.sampled_from(PLACES))
    content = bytearray(place(data.draw(st.sampled_from([tensor(), elsewhere()]))).SerializeToString())
    content[position % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "mutated.onnx"
    path.write_bytes(content)
    try:
        model = onnx.load_model_from_string(bytes(content))
    except Exception:       # not a model to anybody
        return
    external = b"EXTERNAL" in str(model).encode() or "external_data" in str(model)
    if external:
        with pytest.raises(BadArchive):
            refuse_external_data(path)
