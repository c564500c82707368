"""The table of reductions, against the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tintype.debugger.reductions import (
    HISTOGRAM_BINS,
    QUANTILES,
    REDUCTIONS,
    Reductions,
    read_reduction_tag,
    reduce,
    reduction_tag,
)
from tintype.errors import InvalidRequest

VALUES = np.array([[1.0, -2.0, 0.0], [4.0, 0.5, -1.5]], np.float32)


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ("min", -2.0), ("max", 4.0), ("mean", 1 / 3), ("sum", 2.0), ("prod", 0.0), ("l1", 9.0), ("zeros", 1 / 6),
        ("l2", np.sqrt(23.5)), ("variance", 4.5666666), ("std", np.sqrt(4.5666666)), ("nonfinite", 0.0),
    ],
)  # fmt: skip
def test_of_the_values(op: str, expected: float) -> None:
    assert reduce(VALUES, op).item() == pytest.approx(expected)


def test_of_the_absolute_values() -> None:
    assert reduce(VALUES, "min", absolute=True).item() == 0.0
    assert reduce(VALUES, "mean", absolute=True).item() == pytest.approx(1.5)


def test_spread_divides_by_one_less_and_is_nan_for_one_element() -> None:
    assert reduce(np.array([1.0, 3.0]), "variance").item() == 2.0
    assert np.isnan(reduce(np.array(1.0), "std"))


def test_nan_and_infinity_pass_through_and_are_counted() -> None:
    broken = np.array([1.0, np.nan, np.inf, -np.inf, 5.0])
    assert np.isnan(reduce(broken, "mean"))
    assert reduce(broken, "nonfinite").item() == pytest.approx(0.6)
    assert reduce(broken, "quantiles").tolist()[0::8] == [1.0, 5.0]
    low, high, *counts = reduce(broken, "histogram").tolist()
    assert (low, high, sum(counts), len(counts)) == (1.0, 5.0, 2.0, HISTOGRAM_BINS)


def test_nothing_finite_has_an_empty_histogram() -> None:
    assert not reduce(np.array([np.nan]), "histogram")[2:].any()
    assert np.isnan(reduce(np.array([np.nan]), "quantiles")).all()


@pytest.mark.parametrize("op", REDUCTIONS)
def test_of_nothing(op: str) -> None:
    assert reduce(np.empty((0, 3), np.float32), op).item() == pytest.approx(REDUCTIONS[op].of_nothing, nan_ok=True)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "float16", "float64"])
def test_every_type_of_number(dtype: str) -> None:
    assert reduce(np.ones((2, 2), dtype), "mean").item() == 1.0
    assert reduce(np.full(300, 100).astype(dtype), "sum").item() == (300 if dtype == "bool" else 30_000)


def test_half_precision_does_not_overflow() -> None:
    assert reduce(np.full(100, 60_000, np.float16), "l2").item() == pytest.approx(599_900, rel=1e-2)


def test_a_complex_tensor_is_reduced_by_magnitude() -> None:
    assert reduce(np.array([3 + 4j]), "max").item() == 5.0


def test_strings_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="only numbers"):
        reduce(np.array(["a"]), "min")


@given(arrays.arrays(np.float32, arrays.array_shapes(), elements=st.floats(width=32)))
def test_no_values_are_too_strange(values: np.ndarray) -> None:
    for op in REDUCTIONS:
        assert reduce(values, op).shape in {(), (len(QUANTILES),), (2 + HISTOGRAM_BINS,)}


@pytest.mark.parametrize("op", REDUCTIONS)
@pytest.mark.parametrize("absolute", [False, True])
def test_tags_are_read_back(op: str, absolute: bool) -> None:
    tag = reduction_tag("gradient/Net_a/b.weight", op, absolute=absolute)
    assert read_reduction_tag(tag) == ("gradient/Net_a/b.weight", op, absolute)
    assert tag.startswith("tintype/" if REDUCTIONS[op].ours else "smdebug/")


@pytest.mark.parametrize("name", ["loss", "smdebug/reductions/mean", "reductions/mean/x"])
def test_other_names_are_not_tags(name: str) -> None:
    assert read_reduction_tag(name) is None


def test_sagemakers_spelling() -> None:
    reductions = Reductions.parse(" min, abs_max,l1_norm,abs_l2_norm , zeros,", keep_raw=True)
    assert reductions.ops == {"min", "l1", "zeros"}
    assert reductions.absolute == {"max", "l2"}
    assert reductions.tokens(ours=False) == "min,l1_norm,abs_max,abs_l2_norm"
    assert reductions.tokens(ours=True) == "zeros"


def test_an_unknown_one_is_named_with_what_there_is() -> None:
    with pytest.raises(InvalidRequest, match=r"'median' is not one of min, max"):
        Reductions.parse("mean,median")
