"""Answers in every format, and the table of request types."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from tintype.errors import InvalidRequest, Unsupported
from tintype.serving.content.accept import AnswerFormat
from tintype.serving.content.content_types import READERS, read_request, write_answer
from tintype.serving.content.inputs import EncodedImage
from tintype.serving.content.predictions import Predictions

PREDICTIONS = Predictions(("cat", 'a "dog", é'), np.array([[2.0, 0.0], [0.0, 0.0]], np.float32))
CAT = 1 / (1 + np.exp(-2.0))


def answer(accept: str) -> bytes:
    return write_answer(PREDICTIONS, AnswerFormat.parse(accept))


def test_json() -> None:
    first, second = json.loads(answer("application/json"))["predictions"]
    assert first["label"] == "cat"
    assert first["index"] == 0
    assert first["probability"] == pytest.approx(CAT)
    assert [one["label"] for one in first["top"]] == ["cat", 'a "dog", é']
    assert second["label"] == "cat"                 # equals go by index
    assert len(json.loads(answer("application/json;top=1"))["predictions"][0]["top"]) == 1


def test_lists_and_arrays_hold_what_was_asked_for() -> None:
    probabilities = [[pytest.approx(CAT), pytest.approx(1 - CAT)], [0.5, 0.5]]
    assert json.loads(answer("application/json;format=list")) == probabilities
    assert np.load(io.BytesIO(answer("application/x-npy"))).tolist() == probabilities
    assert json.loads(answer("application/json;format=list;scores=logits")) == [[2, 0], [0, 0]]
    np.testing.assert_array_equal(np.load(io.BytesIO(answer("application/x-npy;scores=logits"))), PREDICTIONS.logits)
    assert answer("text/csv;format=list;scores=logits") == b"2.0,0.0\n0.0,0.0\n"


def test_csv() -> None:
    assert answer("text/csv").decode().splitlines()[0] == "label,index,probability"
    named = Predictions(('a "dog", é',), np.zeros((1, 1), np.float32))
    assert write_answer(named, AnswerFormat.parse("text/csv")).decode().splitlines()[1] == '"a ""dog"", é",0,1.0'


def test_a_class_name_that_is_no_unicode_still_gets_an_answer() -> None:
    odd = Predictions(("\udcff",), np.zeros((1, 1), np.float32))
    for accept in ("application/json", "text/csv"):
        assert write_answer(odd, AnswerFormat.parse(accept))


@given(arrays.arrays(np.float32, (3, 4), elements={"allow_nan": False, "allow_infinity": False}))
def test_probabilities_add_up_whatever_the_logits(logits: np.ndarray) -> None:
    probabilities = Predictions(tuple("abcd"), logits).probabilities
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_the_type_of_a_request() -> None:
    assert read_request("IMAGE/JPEG; q=1", b"x") == (EncodedImage(b"x"),)
    assert read_request(None, b"x") == (EncodedImage(b"x"),)
    with pytest.raises(Unsupported, match=r"'text/html'.*image/jpeg") as error:
        read_request("text/html", b"x")
    assert error.value.http_status == 415
    for content_type in READERS:
        with pytest.raises(InvalidRequest, match="no body"):
            read_request(content_type, b"")


@pytest.mark.parametrize("name", ["image/jpg", "Image/PJPEG", "image/x-png", "image/*", "binary/octet-stream"])
def test_other_names_of_a_type(name: str) -> None:
    assert read_request(name, b"x") == (EncodedImage(b"x"),)


def test_a_long_type_is_not_said_in_full() -> None:
    with pytest.raises(Unsupported) as error:
        read_request("x" * 20_000, b"x")
    assert len(str(error.value)) < 500


def test_curl_without_a_content_type_is_told_how_to_give_one() -> None:
    with pytest.raises(Unsupported, match=r"curl says so unless told otherwise, by -H 'Content-Type: image/jpeg'"):
        read_request("application/x-www-form-urlencoded", b"\xff\xd8\xff")
