"""The Accept header."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import InvalidRequest, NotAcceptable, TintypeError
from tintype.serving.content.accept import CSV, JSON, MEDIA_TYPES, NPY, AnswerFormat, Layout, Scores, negotiate

DEFAULT = AnswerFormat()


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("application/x-npy", NPY),
        ("Text/CSV", CSV),
        ("image/png, text/csv;q=0.1", CSV),
        ("application/json;q=0.4, application/x-npy;q=0.9", NPY),
        ("text/csv, application/json", CSV),
        ("*/*, application/json;q=0", CSV),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("application/json; charset=utf-8", JSON),
    ],
)
def test_the_best_format_that_the_caller_reads(header: str | None, media_type: str) -> None:
    assert negotiate(header, DEFAULT).media_type == media_type


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("image/png", "application/json"),
        ("application/json;q=0", "application/json"),
        ("text/plain, image/*", "application/json"),
        ("application/json;charset=latin-1", "UTF-8"),
    ],
)
def test_nothing_acceptable(header: str, message: str) -> None:
    with pytest.raises(NotAcceptable, match=message):
        negotiate(header, DEFAULT)


@pytest.mark.parametrize("header", ["x" * 9000, f"application/json;{'x' * 9000}=1", f"text/csv;q={'9' * 9000}"])
def test_a_long_header_is_not_said_in_full(header: str) -> None:
    with pytest.raises((NotAcceptable, InvalidRequest)) as error:
        negotiate(header, DEFAULT)
    assert len(str(error.value)) < 500


def test_parameters() -> None:
    assert negotiate("application/json;format=list;scores=logits", DEFAULT) == AnswerFormat(
        JSON, Layout.LIST, Scores.LOGITS
    )
    assert negotiate('application/json; top="2"', DEFAULT).top == 2


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("application/json;topp=3", "topp.*there are format, scores, top"),
        ("application/json;top=0", "top must be"),
        ("application/json;top=-1", "top must be"),
        ("application/json;top=99999999999999999999", "top must be"),
        ("application/json;format=xml", "format must be one of predictions, list, vector"),
        ("application/json;q=2", "quality"),
        ("application/json;q=nan", "quality"),
        ("application/json;q=x", "quality"),
    ],
)
def test_a_wrong_parameter_is_named(header: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        negotiate(header, DEFAULT)


def test_the_servers_default_answers_whoever_names_none() -> None:
    default = AnswerFormat.parse("application/x-npy;scores=logits")
    assert negotiate("*/*", default) == default
    assert negotiate(None, default) == default
    assert negotiate("application/json", default) == AnswerFormat(JSON)
    assert negotiate("text/*", default).media_type == CSV


def test_a_model_that_answers_as_the_built_in_algorithm_knows_no_other_json() -> None:
    default = AnswerFormat.parse("application/json;format=vector")
    assert negotiate("application/json", default).layout is Layout.VECTOR
    assert negotiate("application/json;format=list", default).layout is Layout.LIST
    assert negotiate("text/csv", default) == AnswerFormat(CSV)


@given(st.text(st.sampled_from('aj/*;,=q.0159 "tcsvnpyxio-'), max_size=60) | st.text(max_size=60))
def test_any_header_gets_a_format_or_a_clear_error(header: str) -> None:
    with contextlib.suppress(TintypeError):
        assert negotiate(header, DEFAULT).media_type in MEDIA_TYPES
