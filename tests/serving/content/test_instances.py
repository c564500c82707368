"""Pictures in JSON."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import InvalidRequest
from tintype.serving.content.inputs import EncodedImage, Pixels, Tensors
from tintype.serving.content.instances import read_json

FILE = b"\x89PNG\r\n and so on"
TEXT = base64.b64encode(FILE).decode()
PIXELS = [[[1, 2, 3], [4, 5, 6]]]                   # (1, 2, 3)
TENSOR = [[[0.5]], [[0.5]], [[-0.5]]]               # (3, 1, 1)


def body(document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "document",
    [
        {"image": TEXT},
        {"b64": TEXT},
        {"image": f"data:image/png;base64,{TEXT}"},
        {"image": f"DATA:image/png;base64,{TEXT}"},
        {"image": base64.encodebytes(FILE).decode()},
        {"image": f"{TEXT[:7]}\r\n{TEXT[7:]}\n"},
        {"instances": [TEXT]},
        {"instances": [{"image": TEXT}]},
        {"inputs": [{"b64": TEXT}]},
        {"inputs": {"image": [TEXT]}},
        {"inputs": {"b64": [TEXT]}, "signature_name": "serving_default"},
        {"instances": [{"image": {"b64": TEXT}}]},
        {"image": {"b64": TEXT}},
    ],
)
def test_an_encoded_picture(document: Any) -> None:
    assert read_json(body(document)) == (EncodedImage(FILE),)


def test_several_of_several_kinds_keep_their_order() -> None:
    first, second, third = read_json(body({"instances": [PIXELS, {"image": TEXT}, TENSOR]}))
    assert isinstance(first, Pixels)
    assert second == EncodedImage(FILE)
    assert isinstance(third, Tensors)


@pytest.mark.parametrize(
    "document",
    [
        {"instances": [{"image": TENSOR}, {"image": PIXELS}]},
        {"inputs": [TENSOR, PIXELS]},
        {"inputs": {"image": [TENSOR, PIXELS]}},
    ],
)
def test_arrays_by_row_and_by_column(document: Any) -> None:
    tensors, pixels = read_json(body(document))
    assert isinstance(tensors, Tensors)
    assert isinstance(pixels, Pixels)


def test_a_bare_nested_list_is_an_array() -> None:
    (one,) = read_json(body([TENSOR, TENSOR]))
    assert isinstance(one, Tensors)
    assert one.values.shape == (2, 3, 1, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[[[NaN]]]", "NaN is not a number"),
        (b"[[[Infinity]]]", "Infinity is not a number"),
        (b"[" + b"9" * 5000 + b"]", "not JSON|not an array|holds no pictures"),
        (body("text"), "must be an object"),
        (body(None), "must be an object"),
        (body({}), "must be an object with one of 'image'"),
        (body({"image": TEXT, "instances": []}), "one of"),
        (body({"image": 5}), "base64 string, got int"),
        (body({"image": "not base64!"}), "is not base64"),
        (body({"image": "abc"}), "is not base64"),
        (body({"image": "é"}), "is not base64"),
        (body({"instances": []}), "at least one"),
        (body({"instances": TEXT}), "must be a list"),
        (body({"inputs": {}}), "inputs must be an object with one of 'image', 'b64'"),
        (body({"inputs": {"image": TEXT}}), "'inputs.image' must be a list"),
        (body({"inputs": {"image": [TEXT, 5]}}), r"inputs\.image\[1\]"),
        (body({"image": {"c64": TEXT}}), "base64 string, got dict"),
        (body({"image": {"b64": 5}}), "base64 string, got int"),
        (body({"instances": [{"image": TEXT}, 5]}), r"instances\[1\]"),
        (body({"instances": [{"picture": TEXT}]}), r"instances\[0\]"),
        (body({"instances": [[[1, 2], [3]]]}), r"instances\[0\].*differ in length"),
        (body([["a"]]), "holds no pictures"),
        (body([]), "not understood"),
        (body({"url": 5}), "must be a URL"),
        (body({"url": "http://a/" + "a" * 2048}), "at most 2048"),
        (body({"url": "http://a/", "image": TEXT}), "one of"),
    ],
)
def test_a_wrong_body_says_what_is_wrong(content: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_json(content)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["image", "b64", "instances"]), inner),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_any_json_is_pictures_or_a_clear_error(document: Any) -> None:
    with contextlib.suppress(InvalidRequest):
        assert read_json(body(document))
