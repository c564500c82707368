from __future__ import annotations

from typing import Any

import pytest

from tests.serving.tiny_archive import PREPROCESSING, SIZE
from tintype.models.archive import INTEGERS, ONNX, WEIGHTS, Description, PrecisionRecord
from tintype.serving.runtimes import precision
from tintype.serving.runtimes.precision import (
    Choice,
    Precision,
    choose,
    figures,
    objection_to_integers,
    on_this_machine,
)

FAST = frozenset({"fpu", "avx512_vnni"})
GOOD: dict[str, Any] = {
    "images": 500,
    "calibrated_on": 32,
    "fp32_accuracy": 0.932,
    "int8_accuracy": 0.930,
    "expected_drop": 0.0004,
    "fp32_milliseconds": 35.0,
    "int8_milliseconds": 10.0,
}
ABLE: tuple[Precision, ...] = ("int8", "fp32")


def description(record: PrecisionRecord | None, *files: str) -> Description:
    return Description(
        network="resnet18",
        classes=("a", "b"),
        image_size=SIZE,
        preprocessing=PREPROCESSING.to_json(),
        precision=record,
        files=dict.fromkeys(files or (WEIGHTS, ONNX, INTEGERS), "0" * 64),
    )


def test_integers_are_chosen_when_they_were_measured_to_be_good() -> None:
    choice = choose(description(PrecisionRecord(**GOOD)), ABLE, FAST)
    assert choice is not None
    assert choice.precision == "int8"
    assert str(choice) == (
        "int8 (accuracy 93.00 % against 93.20 % in fp32 on 500 validation images, 3.5 times as fast)"
    )


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"int8_accuracy": 0.926}, "they lose 0.6 points"),
        ({"int8_accuracy": 0.927, "images": 200}, None),                # half a point exactly
        ({"int8_accuracy": 0.95}, None),                                # better by luck
        ({"int8_accuracy": 0.95, "expected_drop": 0.02}, "they lose 2.0 points"),      # that luck is not trusted
        ({"images": 30, "fp32_accuracy": 0.9, "int8_accuracy": 0.9}, None),
        ({"images": 30, "fp32_accuracy": 0.9, "int8_accuracy": 0.8667}, "they lose 3.3 points"),
        ({"int8_milliseconds": 30.0}, "they are hardly faster"),
        ({"int8_accuracy": None}, "was not measured"),
        ({"fp32_milliseconds": None}, "was not measured"),
        ({"reason": "the network has no convolutions"}, "no convolutions"),
    ],
)
def test_what_speaks_against_integers(changes: dict[str, Any], objection: str | None) -> None:
    found = objection_to_integers(description(PrecisionRecord(**{**GOOD, **changes})), FAST)
    assert (found is None) == (objection is None)
    assert (objection or "") in (found or "")


def test_no_integers_without_a_file_a_record_or_a_processor() -> None:
    assert "holds none" in (objection_to_integers(description(PrecisionRecord(**GOOD), WEIGHTS, ONNX), FAST) or "")
    assert "without trying" in (objection_to_integers(description(None), FAST) or "")
    slow = objection_to_integers(description(PrecisionRecord(**GOOD)), frozenset({"avx2", "avx512f"}))
    assert slow == "this processor has no instructions for them"


def test_what_is_wanted_is_given_or_nothing() -> None:
    bad = description(PrecisionRecord(**{**GOOD, "int8_accuracy": 0.5}))
    assert choose(bad, ABLE, FAST, "int8") == Choice("int8", "asked for")
    assert choose(bad, ABLE, FAST, "bf16") is None
    assert choose(bad, (), FAST) is None
    assert choose(bad, ("int8",), FAST) is None


def test_the_runtimes_favourite_is_taken_and_why_not_integers_is_said() -> None:
    bad = description(PrecisionRecord(**{**GOOD, "int8_accuracy": 0.5}))
    assert choose(bad, ABLE, FAST) == Choice(
        "fp32", "not int8: they lose 43.2 points of accuracy, 43.20 counted on 500 images, 0.04 expected"
    )
    good = description(PrecisionRecord(**GOOD))
    assert choose(good, ("bf16", "fp32"), FAST) == Choice("bf16", "what the runtime does best")


def test_figures_of_what_was_not_measured() -> None:
    assert figures(PrecisionRecord(reason="no convolutions")) == "not measured"


def test_what_a_server_here_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: FAST)
    assert on_this_machine(description(PrecisionRecord(**GOOD))).precision == "int8"
    assert on_this_machine(description(None, WEIGHTS, ONNX)).precision == "fp32"
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx2"}))
    assert on_this_machine(description(PrecisionRecord(**GOOD))).precision == "fp32"
