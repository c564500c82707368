"""Records, byte by byte: against protobuf itself, and through the reader."""

from __future__ import annotations

import struct
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tintype.debugger.dtypes import CODES
from tintype.debugger.event import JOINED_BELOW_BYTES, Moment, encode
from tintype.debugger.event_decoding import Damaged, array_of, decode
from tintype.debugger.modes import Mode
from tintype.debugger.tfrecord import SMDEBUG_FOOTER, masked, payload_is_whole
from tintype.errors import InvalidRequest

MOMENT = Moment(global_step=300, mode=Mode.EVAL, mode_step=7, wall_time=1.5)


def record(tag: str, value: Any, moment: Moment = MOMENT, original_dtype: str = "") -> bytes:
    buffers, length = encode(tag, np.asarray(value), moment, original_dtype)
    joined = b"".join(bytes(one) for one in buffers)
    assert len(joined) == length
    return joined


def payload(whole: bytes) -> bytes:
    return whole[12:-4]


def read_back(value: Any, **more: Any) -> np.ndarray:
    return array_of(decode(payload(record("x", value, **more))), payload(record("x", value, **more)))


def test_a_scalar_byte_by_byte() -> None:
    whole = record("loss", np.float32(0.5))
    content = (
        b"\x0a\x04loss"
        b"\x42\x0a" b"\x08\x01" b"\x12\x00" b"\x22\x04" + struct.pack("<f", 0.5)
        + b"\x4a\x1b" b"\x0a\x0e" b"\x0a\x09mode_step" b"\x12\x017" b"\x0a\x09" b"\x0a\x04mode" b"\x12\x012"
    )  # fmt: skip
    value = b"\x0a" + bytes([len(content)]) + content
    event = b"\x09" + struct.pack("<d", 1.5) + b"\x10\xac\x02" + b"\x2a" + bytes([len(value)]) + value
    sealed = event + b"\xa5\x06" + struct.pack("<I", masked(google_crc32c.value(event)))
    assert payload(whole) == sealed
    assert whole[:8] == struct.pack("<Q", len(sealed))
    assert whole[8:12] == struct.pack("<I", masked(google_crc32c.value(whole[:8])))
    assert whole[-4:] == struct.pack("<I", SMDEBUG_FOOTER)


def test_the_checksum_is_that_of_tensorflow() -> None:
    assert google_crc32c.value(b"123456789") == 0xE3069283      # RFC 3720
    assert masked(0xE3069283) == 0xC78AB0E5                     # as smdebug computes it
    assert SMDEBUG_FOOTER == 0x062DC0B3                        # as smdebug writes it


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 3), (2, 3)])
def test_every_type_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    value = (np.arange(int(np.prod(shape))).reshape(shape) % 2).astype(dtype)
    back = read_back(value)
    assert (back.dtype, back.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(back, value)
    assert back.flags.writeable


def test_strings() -> None:
    assert read_back(["a", "bücher", ""]).tolist() == ["a", "bücher", ""]
    assert read_back(np.array([["a", "b"]])).shape == (1, 2)


def test_nan_and_infinity_keep_their_bits() -> None:
    value = np.array([np.nan, np.inf, -np.inf, -0.0], np.float32)
    assert read_back(value).tobytes() == value.tobytes()


def test_other_layouts_are_put_right() -> None:
    value = np.arange(12, dtype=">i4").reshape(3, 4).T
    back = read_back(value)
    assert back.dtype == np.dtype("<i4")
    np.testing.assert_array_equal(back, value)


def test_what_it_was_is_noted() -> None:
    widened = decode(payload(record("x", np.float32(1), original_dtype="bfloat16")))
    assert widened.original_dtype == "bfloat16"
    assert decode(payload(record("x", np.float32(1)))).original_dtype == ""


def test_bfloat16_of_numpy_is_widened() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    told = decode(payload(record("x", np.array([1.5], ml_dtypes.bfloat16))))
    assert (told.dtype, told.original_dtype) == (CODES["float32"], "bfloat16")


def test_a_type_without_a_place_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="datetime64"):
        record("x", np.array(["2026-01-01"], "datetime64[D]"))


def test_a_large_tensor_is_not_copied() -> None:
    value = np.zeros(JOINED_BELOW_BYTES, np.uint8)
    buffers, _ = encode("x", value, MOMENT)
    assert any(isinstance(one, np.ndarray) and np.shares_memory(one, value) for one in buffers)


@given(
    st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    arrays.arrays(arrays.scalar_dtypes().filter(lambda one: one.name in CODES), arrays.array_shapes(min_dims=0)),
    st.sampled_from(Mode),
    st.integers(0, 2**40),
    st.integers(0, 2**40),
)
def test_whatever_goes_in_comes_out(tag: str, value: np.ndarray, mode: Mode, step: int, mode_step: int) -> None:
    whole = record(tag, value, Moment(step, mode, mode_step, 0.25))
    told = decode(payload(whole))
    assert (told.tag, told.mode, told.step, told.mode_step, told.wall_time) == (tag, mode, step, mode_step, 0.25)
    assert array_of(told, payload(whole)).tobytes() == value.astype(value.dtype.newbyteorder("<")).tobytes()
    assert payload_is_whole([payload(whole)], whole[-4:])


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    whole = bytearray(payload(record("x", np.arange(6.0))))
    at = data.draw(st.integers(0, len(whole) - 7))      # what follows is the seal itself
    whole[at] ^= data.draw(st.integers(1, 255))
    assert not payload_is_whole([bytes(whole)], struct.pack("<I", SMDEBUG_FOOTER))


@given(st.binary(max_size=200))
def test_garbage_is_damaged_and_nothing_else(garbage: bytes) -> None:
    try:
        array_of(decode(garbage), garbage)
    except Damaged:
        return


def test_protobuf_reads_the_same() -> None:
    event = event_class()()
    event.ParseFromString(payload(record("layer.weight", np.arange(6, dtype=np.float32).reshape(2, 3))))
    value = event.summary.value[0]
    assert (event.wall_time, event.step, value.tag) == (1.5, 300, "layer.weight")
    sizes = [(one.size, one.name) for one in value.tensor.tensor_shape.dim]
    assert sizes == [(2, "layer.weight_2"), (3, "layer.weight_3")]
    assert value.tensor.tensor_content == np.arange(6, dtype=np.float32).tobytes()
    assert [(one.plugin_name, one.content) for one in value.metadata.plugin_data] == [("mode_step", "7"), ("mode", "2")]


def event_class() -> Any:
    """smdebug's Event, built with protobuf from its description."""
    descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
    from google.protobuf import descriptor_pool, message_factory

    double, int64, string, bytes_, message, int32 = 1, 3, 9, 12, 11, 5
    messages: dict[str, list[tuple[str, int, int, str, bool]]] = {
        "Dim": [("size", 1, int64, "", False), ("name", 2, string, "", False)],
        "Shape": [("dim", 2, message, "Dim", True)],
        "Tensor": [("dtype", 1, int32, "", False), ("tensor_shape", 2, message, "Shape", False),
                   ("tensor_content", 4, bytes_, "", False)],
        "Plugin": [("plugin_name", 1, string, "", False), ("content", 2, string, "", False)],
        "Metadata": [("plugin_data", 1, message, "Plugin", True)],
        "Value": [("tag", 1, string, "", False), ("tensor", 8, message, "Tensor", False),
                  ("metadata", 9, message, "Metadata", False)],
        "Summary": [("value", 1, message, "Value", True)],
        "Event": [("wall_time", 1, double, "", False), ("step", 2, int64, "", False),
                  ("summary", 5, message, "Summary", False)],
    }  # fmt: skip
    file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="t", syntax="proto3")
    for name, members in messages.items():
        one = file.message_type.add(name=name)
        for field, number, kind, of, repeated in members:
            of_message = {"type_name": f".t.{of}"} if of else {}
            one.field.add(name=field, number=number, type=kind, label=3 if repeated else 1, **of_message)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Event"))
