from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.profiler.recordings import START, Ticking, span_writer
from tintype.profiler.phases import Outside, Phase, StepMode
from tintype.profiler.span_reader import read_framework_spans
from tintype.profiler.span_writer import SpanWriter
from tintype.profiler.step_spans import StepSpans


def test_a_loop_that_says_what_it_does(tmp_path: Path) -> None:
    clock = Ticking()
    writer = span_writer(tmp_path, clock)
    spans = StepSpans(writer)

    def batches() -> object:
        for batch in range(3):
            clock.pass_ms(5)
            yield batch

    for batch in spans.batches(batches()):          # type: ignore[arg-type]
        for phase, duration in ((Phase.FORWARD, 10), (Phase.BACKWARD, 20)):
            with spans.phase(phase):
                clock.pass_ms(duration)
        with spans.phase(Phase.FORWARD):            # a second part of the same step
            clock.pass_ms(1)
        clock.pass_ms(2)                            # the rest
        spans.finish(StepMode.TRAIN)
        with spans.outside(Outside.CHECKPOINT):
            clock.pass_ms(100 * (batch + 1))
            with spans.phase(Phase.DATA_WAIT):
                clock.pass_ms(1)
    writer.close()
    found = read_framework_spans(tmp_path)
    assert found.steps["duration"] == pytest.approx([0.038] * 3)
    assert found.steps["data_wait"] == pytest.approx([0.005] * 3)
    assert found.steps["forward"] == pytest.approx([0.011] * 3)
    assert found.steps["backward"] == pytest.approx([0.020] * 3)
    assert [found.names[one] for one in found.spans["name"]] == ["Checkpoint"] * 3
    assert found.spans["duration"] == pytest.approx([0.101, 0.201, 0.301])
    assert found.spans["step"].tolist() == [1, 2, 3]


def test_modes_are_counted_apart_and_no_phase_is_no_step(tmp_path: Path) -> None:
    clock = Ticking()
    writer = span_writer(tmp_path, clock)
    spans = StepSpans(writer)
    for mode in (StepMode.TRAIN, StepMode.EVAL, StepMode.TRAIN):
        with spans.phase(Phase.FORWARD):
            clock.pass_ms(1)
        spans.finish(mode)
        spans.finish(mode)
    writer.close()
    steps = read_framework_spans(tmp_path).steps
    assert list(zip(steps["mode"].tolist(), steps["number"].tolist(), strict=True)) == [(0, 0), (1, 0), (0, 1)]


def test_an_error_in_a_block_is_the_loops_own(tmp_path: Path) -> None:
    clock = Ticking()
    spans = StepSpans(span_writer(tmp_path, clock))
    with pytest.raises(ZeroDivisionError), spans.outside(Outside.EVALUATION):
        _ = 1 / 0
    with pytest.raises(ZeroDivisionError), spans.phase(Phase.LOSS):
        _ = 1 / 0
    spans.finish()
    spans.writer.close()
    assert len(read_framework_spans(tmp_path).steps) == 1


def test_the_cost_of_a_step(tmp_path: Path) -> None:
    """Generous: a benchmark tells how much it is; this only catches a slip of an order of magnitude."""
    writer = SpanWriter(tmp_path, "0-algo-1", lambda: START, time.perf_counter_ns, threaded=False)
    spans = StepSpans(writer)
    begun = time.thread_time()
    for _ in range(1000):
        for phase in (Phase.DATA_WAIT, Phase.FORWARD, Phase.LOSS, Phase.BACKWARD, Phase.OPTIMIZER):
            with spans.phase(phase):
                pass
        spans.finish()
    assert (time.thread_time() - begun) / 1000 < 200e-6
