from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.profiler.phases import PHASES, Phase, StepMode
from tintype.profiler.span_files import StepSpan, base_lines, step_line
from tintype.profiler.span_reader import STEP_ROW, _step
from tintype.profiler.step_lines import step_rows

NS = st.integers(0, 10**15)
STEPS = st.builds(
    lambda mode, number, start, duration, times, cpu, decoding: StepSpan(
        mode, number, start, start + duration, tuple((phase, start + time, time) for phase, time in times.items()),
        cpu, decoding,
    ),
    st.sampled_from(StepMode), st.integers(0, 10**9), NS, NS, st.dictionaries(st.sampled_from(Phase), NS, max_size=6),
    NS, NS,
)  # fmt: skip


@given(st.lists(STEPS, min_size=1, max_size=30))
def test_it_reads_what_the_json_parser_reads(steps: list[StepSpan]) -> None:
    lines = [step_line(step, 1, 7, 0) for step in steps]
    found = step_rows(("[\n" + "".join(f"{line},\n" for line in [*base_lines(5), *lines])).encode(), STEP_ROW)
    assert found is not None
    slow = np.array([_step(json.loads(line), 0.0, 0) for line in lines], STEP_ROW)
    fast = found[0]
    assert len(found[1]) == 3
    for name in STEP_ROW.names or ():
        assert sorted(fast[name].tolist()) == pytest.approx(sorted(slow[name].tolist()), rel=1e-6), name
    for phase in PHASES:
        assert fast[phase.value].sum() == pytest.approx(slow[phase.value].sum(), rel=1e-5)


GOOD = '{"name": "Step:ModeKeys.TRAIN", "ph": "X", "ts": 5, "dur": 7, "args": {"step_num": "3", "spans": {}}}'


@pytest.mark.parametrize(
    "line",
    [
        GOOD.replace('"ts": 5', '"ts": -5'), GOOD.replace('"ts": 5', '"ts": 5.5'), GOOD.replace('"ts": 5', '"ts": 1e3'),
        GOOD.replace("TRAIN", "OTHER"), GOOD.replace("TRAIN", "TRAIN2"), GOOD.replace("{}", '{"nap": [1, 2]}'),
        GOOD.replace('"3"', '"three"'), GOOD.replace('"X"', '"B"'), GOOD[:-5], "[]", "7", "null",
    ],
)  # fmt: skip
def test_anything_else_is_left_to_the_parser(line: str) -> None:
    found = step_rows(f"[\n{GOOD},\n{line},\n{GOOD}\n]\n".encode(), STEP_ROW)
    assert found is not None
    assert found[0]["number"].tolist() == [3, 3]
    assert line in {one.decode().rstrip(",") for one in found[1]}


def test_numbers_that_are_too_long_are_not_read_at_once() -> None:
    assert step_rows(f"[\n{GOOD.replace('5', '5' * 19)}\n]\n".encode(), STEP_ROW) is None
    assert step_rows(GOOD.encode(), STEP_ROW) is None
