from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import InvalidRequest
from tintype.tuning.ranges import (
    LARGEST_INTEGER,
    Categorical,
    Continuous,
    Integer,
    Range,
    parse_range,
    range_from_json,
    range_to_json,
)
from tintype.tuning.scaling import Scaling, resolved

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,20}", fullmatch=True)
UNITS = st.floats(0, 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def continuous(draw: st.DrawFn) -> Continuous:
    scaling = draw(st.sampled_from(Scaling))
    ends = {
        Scaling.LOGARITHMIC: st.floats(1e-300, 1e300),
        Scaling.REVERSE_LOGARITHMIC: st.floats(0, 1, exclude_max=True),
    }.get(scaling, FINITE)
    low, high = sorted((draw(ends), draw(ends)))
    return Continuous(draw(NAMES), low, high, scaling)


@st.composite
def integers(draw: st.DrawFn) -> Integer:
    scaling = draw(st.sampled_from([Scaling.AUTO, Scaling.LINEAR, Scaling.LOGARITHMIC]))
    lowest = 1 if scaling is Scaling.LOGARITHMIC else -LARGEST_INTEGER
    low, high = sorted((draw(st.integers(lowest, LARGEST_INTEGER)), draw(st.integers(lowest, LARGEST_INTEGER))))
    return Integer(draw(NAMES), low, high, scaling)


CHOICES = st.one_of(st.text(), st.integers(), FINITE, st.booleans())
categorical = st.builds(Categorical, NAMES, st.lists(CHOICES, min_size=1, unique=True).map(tuple))
ranges = st.one_of(continuous(), integers(), categorical)


@given(ranges, UNITS)
def test_every_unit_gives_a_value_of_the_range_and_of_its_type(one: Range, u: float) -> None:
    value = one.from_unit(u)
    assert one.contains(value)
    assert isinstance(value, {"continuous": float, "integer": int, "categorical": object}[one.kind])
    assert 0 <= one.to_unit(value) <= 1


@given(continuous())
def test_both_ends_are_included(one: Continuous) -> None:
    assert one.from_unit(0.0) == one.low
    assert one.from_unit(1.0) == one.high
    one_point = (0.5, 0.5)      # of neighbouring floats even the logarithms may be equal
    assert (one.to_unit(one.low), one.to_unit(one.high)) in {(0.0, 1.0), one_point}


@given(st.one_of(continuous(), integers()), UNITS, UNITS)
def test_scaling_keeps_the_order(one: Continuous | Integer, u: float, v: float) -> None:
    tolerance = 1e-9 * max(abs(one.low), abs(one.high))      # of rounding
    assert one.from_unit(min(u, v)) <= one.from_unit(max(u, v)) + tolerance


@given(st.one_of(integers(), categorical), UNITS)
def test_discrete_values_come_back_from_the_unit_interval(one: Integer | Categorical, u: float) -> None:
    value = one.from_unit(u)
    if isinstance(one, Categorical) or abs(one.high) + abs(one.low) < 2**30:    # beyond that a float loses integers
        assert one.from_unit(one.to_unit(value)) == value


@given(ranges)
def test_ranges_survive_json(one: Range) -> None:
    assert range_from_json(range_to_json(one)) == one


@given(st.one_of(continuous(), integers()))
def test_the_text_of_a_range_is_read_back(one: Range) -> None:
    assert parse_range(str(one)) == one


def test_every_integer_has_the_same_share_on_a_linear_scale() -> None:
    one = Integer("epochs", 2, 4)
    drawn = [one.from_unit((step + 0.5) / 999) for step in range(999)]
    assert [drawn.count(value) for value in (2, 3, 4)] == [333, 333, 333]


def test_logarithmic_and_reverse_logarithmic_spread() -> None:
    assert Continuous("lr", 0.001, 0.1, Scaling.LOGARITHMIC).from_unit(0.5) == pytest.approx(0.01)
    assert Continuous("momentum", 0.9, 0.999, Scaling.REVERSE_LOGARITHMIC).from_unit(0.5) == pytest.approx(0.99)
    assert Continuous("x", 0.0, 10.0).from_unit(0.5) == 5.0


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.001, 0.1, Scaling.LOGARITHMIC),          # exactly 100 times
        (0.001, 0.099, Scaling.LINEAR),
        (1e-7, 1e-6, Scaling.LINEAR),
        (0.0, 1.0, Scaling.LINEAR),                 # no logarithm of 0
        (-100.0, 100.0, Scaling.LINEAR),
        (1e-300, 1e300, Scaling.LOGARITHMIC),       # the ratio is beyond floats
    ],
)
def test_auto_scaling(low: float, high: float, expected: Scaling) -> None:
    assert resolved(Scaling.AUTO, low, high) is expected


def test_the_widest_range_does_not_overflow() -> None:
    one = Continuous("x", -1.7e308, 1.7e308)
    assert one.from_unit(0.5) == 0.0
    assert one.to_unit(0.0) == 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=0.001:0.1:log", Continuous("lr", 0.001, 0.1, Scaling.LOGARITHMIC)),
        ("lr=0.001:0.1", Continuous("lr", 0.001, 0.1, Scaling.AUTO)),
        ("momentum=0.5:0.999:reverse_log", Continuous("momentum", 0.5, 0.999, Scaling.REVERSE_LOGARITHMIC)),
        ("x=-1:1:LINEAR", Continuous("x", -1, 1, Scaling.LINEAR)),
        (" eps = 1e-7 : 1e-6 ", Continuous("eps", 1e-7, 1e-6)),
        ("epochs=2..4", Integer("epochs", 2, 4)),
        ("width=16..1024:log", Integer("width", 16, 1024, Scaling.LOGARITHMIC)),
        ("shift=-3..3", Integer("shift", -3, 3)),
        ("batch-size=16,64,256", Categorical("batch-size", (16, 64, 256))),
        ("lr=0.1,1e-3", Categorical("lr", (0.1, 0.001))),
        ("model=resnet18, resnet34", Categorical("model", ("resnet18", "resnet34"))),
        ("code=007,008", Categorical("code", ("007", "008"))),
        ("mixed=1,two", Categorical("mixed", ("1", "two"))),
        ("eval=a=b,c", Categorical("eval", ("a=b", "c"))),
    ],
)
def test_parse(text: str, expected: Range) -> None:
    assert parse_range(text) == expected


def test_integers_stay_integers() -> None:
    parsed = parse_range("batch-size=16,64")
    assert isinstance(parsed, Categorical)
    assert [type(value) for value in parsed.values] == [int, int]
    assert type(parse_range("epochs=2..4").from_unit(0.4)) is int


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no '='"),
        ("lr", "range 'lr' has no '='; write NAME=low:high"),
        ("=1:2", "needs the name of a hyperparameter, got ''"),
        ("learning rate=1:2", "'learning rate': the name must not hold blanks"),
        ("n" * 300 + "=1:2", "may have 256 characters, got 300"),
        ("lr=", "'lr': there is nothing after the '='"),
        ("lr=0.1", "'lr': '0.1' is one value; give low:high"),
        ("lr=fast:slow", "'lr': low must be a number, got 'fast'"),
        ("lr=0.1:", "'lr': high must be a number, got ''"),
        ("lr=0.1:nan", "'lr': high must be finite, got nan"),
        ("lr=-inf:1", "'lr': low must be finite, got -inf"),
        ("lr=0.1:0.001", "'lr': low must not exceed high, got low=0.1, high=0.001"),
        ("lr=0:0.1:log", "'lr': logarithmic scaling needs low > 0, got low=0.0"),
        ("m=0.5:1:reverse-log", "'m': reverse logarithmic scaling needs 0 <= low and high < 1, got low=0.5, high=1.0"),
        ("lr=1:2:logg", "'lr': the scaling must be auto, linear, log, reverse-log, got 'logg'"),
        ("lr=1:2:3:4", "'lr': there are too many colons in '1:2:3:4'"),
        ("epochs=2..", "'epochs': low of an integer range must be an integer, got ''".replace("low", "high")),
        ("epochs=2.5..4", "'epochs': low of an integer range must be an integer, got '2.5'; a continuous range"),
        ("epochs=1..2..3", "'epochs': an integer range is low..high, got '1..2..3'"),
        ("epochs=4..2", "'epochs': low must not exceed high, got low=4, high=2"),
        ("epochs=0..9:log", "'epochs': logarithmic scaling needs low > 0, got low=0"),
        ("epochs=1..9:reverse-log", "'epochs': reverse logarithmic scaling is for continuous ranges"),
        (f"n=0..{10**30}", "'n': high must lie between"),
        ("n=0.." + "9" * 5000, "'n': high of an integer range must be an integer"),
        ("b=16,,64", "'b': there is an empty value in '16,,64'; take the extra comma out"),
        ("b=16,64,", "'b': there is an empty value"),
        ("b=16,64,16", "'b': each value may be given once, got 16 twice"),
    ],
)
def test_nonsense_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_range(text)
    assert said in str(caught.value)


def parsed_or_refused(text: str) -> tuple[Range | None, str]:
    try:
        return parse_range(text), ""
    except InvalidRequest as error:
        return None, str(error)


@given(st.text())
def test_any_text_is_a_range_or_an_error_that_names_it(text: str) -> None:
    parsed, said = parsed_or_refused(text)
    assert parsed is not None or "range" in said
    assert "\n" not in said


@given(NAMES, st.text(alphabet="0123456789.,:-+einfalog \t"))
def test_any_body_too(name: str, body: str) -> None:
    parsed, said = parsed_or_refused(f"{name}={body}")
    if parsed is None:
        assert repr(name) in said
    else:
        assert parsed.contains(parsed.from_unit(0.5))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Continuous("x", True, 2.0),
        lambda: Continuous("x", "0.1", 2.0),                # pyright: ignore[reportArgumentType]
        lambda: Continuous("x", 0.1, 10**400),
        lambda: Continuous("x", 0.1, 1, "Linear"),          # pyright: ignore[reportArgumentType]
        lambda: Integer("x", 1.0, 2),                       # pyright: ignore[reportArgumentType]
        lambda: Integer("x", True, 2),
        lambda: Categorical("x", ()),
        lambda: Categorical("x", "abc"),                    # pyright: ignore[reportArgumentType]
        lambda: Categorical("x", (None,)),                  # pyright: ignore[reportArgumentType]
        lambda: Categorical("x", (math.nan,)),
        lambda: Categorical("", (1,)),
        lambda: range_from_json({"kind": "fuzzy"}),
        lambda: range_from_json({"kind": "integer", "name": "x", "low": 1, "high": 2, "scaling": "Loud"}),
    ],
)
def test_nonsense_from_python_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(InvalidRequest):
        make()


def test_ranges_and_trials_are_cheap_to_import() -> None:
    code = (
        "import sys, tintype.tuning.ranges, tintype.tuning.trial, tintype.tuning.strategies.bayesian; "
        "assert not {'optuna', 'numpy', 'torch', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
