from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.profiler.recordings import Ticking, span_writer
from tintype.profiler.phases import Phase, StepMode
from tintype.profiler.span_files import StepSpan
from tintype.profiler.span_reader import of_mode, read_framework_spans


@pytest.mark.data
def test_smdebugs_steps_of_a_real_job(shared_data: Callable[[str], Path]) -> None:
    found = read_framework_spans(shared_data("aws-profiler-traces") / "merge_traces")
    assert found.damaged == 0
    train, evaluation = of_mode(found.steps, StepMode.TRAIN), of_mode(found.steps, StepMode.EVAL)
    assert train["number"][:3].tolist() == [0, 1, 2]
    assert train["duration"][0] == pytest.approx(9.020725)
    assert train["start"][0] == pytest.approx(1594662605.425850 + 2.664345)
    assert np.isnan(train["forward"]).all()                 # smdebug does not tell phases
    assert len(evaluation) == 10
    assert set(found.names) == {"dataset::GetNext", "DataIterator", "IteratorGetNextOp::DoCompute"}


@pytest.mark.data
@pytest.mark.parametrize(("traces", "spans"), [("model_timeline_traces", 105), ("test_traces", 4)])
def test_other_timelines_of_aws(shared_data: Callable[[str], Path], traces: str, spans: int) -> None:
    root = shared_data("aws-profiler-traces") / traces
    found = read_framework_spans(root)
    written = sum(path.read_text().count('"ph": "X"') for path in root.rglob("*timeline.json"))
    assert len(found.spans) == written
    assert found.damaged == 0
    assert np.all(np.diff(found.spans["start"]) >= 0)
    assert traces != "test_traces" or found.spans["step"].tolist() == [1, 2, 3, 4]


def trace(root: Path, *events: Any) -> Path:
    path = root / "framework" / "pevents" / "2026112111" / "1795260600000000_0-a_pythontimeline.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    base = {"name": "process_name", "ph": "M", "pid": 0, "args": {"start_time_since_epoch_in_micros": 1_000_000}}
    path.write_text("[\n" + ",\n".join(json.dumps(event) for event in (base, *events)) + "\n]")
    return path


GOOD = {"name": "Step:ModeKeys.TRAIN", "pid": 1, "ph": "X", "ts": 5, "dur": 7, "args": {"step_num": "3"}}


@pytest.mark.parametrize(
    "event",
    [
        {**GOOD, "ts": "soon"}, {**GOOD, "dur": -1}, {**GOOD, "dur": math.inf}, {**GOOD, "name": "Step:ModeKeys.OTHER"},
        {**GOOD, "name": 7}, {**GOOD, "args": {"step_num": "three"}}, {**GOOD, "args": {"spans": {"napping": [1, 2]}}},
        {"ph": "X"}, {"ph": "M"}, [], None, "X", {**GOOD, "ts": 10**400},
    ],
)  # fmt: skip
def test_an_event_that_makes_no_sense_is_left_out(tmp_path: Path, event: Any) -> None:
    trace(tmp_path, GOOD, event, GOOD)
    found = read_framework_spans(tmp_path)
    assert found.steps["number"].tolist() == [3, 3]
    assert found.damaged == 1


def test_a_broken_time_makes_no_job_of_years(tmp_path: Path) -> None:
    trace(tmp_path, GOOD, GOOD, {**GOOD, "ts": 10**17}, {**GOOD, "dur": 10**17}, GOOD)
    found = read_framework_spans(tmp_path)
    assert len(found.steps) == 3
    assert found.damaged == 2


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_a_file_cut_short_is_read_as_far_as_it_goes(tmp_path: Path, kept: float) -> None:
    path = trace(tmp_path, *[{**GOOD, "args": {"step_num": str(n)}} for n in range(20)])
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    found = read_framework_spans(tmp_path)
    assert found.steps["number"].tolist() == list(range(len(found.steps)))
    assert len(found.steps) >= int(20 * kept) - 2
    assert found.damaged <= 1


@pytest.mark.parametrize("content", ["", "{}", "7", "not json", "[" * 50_000])
def test_a_file_that_is_no_trace(tmp_path: Path, content: str) -> None:
    trace(tmp_path).write_text(content)
    assert len(read_framework_spans(tmp_path).steps) == 0


def test_workers_on_one_clock(tmp_path: Path) -> None:
    for node, delay in (("0-algo-1", 0.0), ("1-algo-1", 4.0)):
        clock = Ticking()
        writer = span_writer(tmp_path, clock, node)
        for number in range(3):
            clock.pass_ms(10)
            start = clock.now + int(delay * 1e6)
            writer.add(StepSpan(StepMode.TRAIN, number, start, start + 1_000_000, ((Phase.FORWARD, start, 1000),)))
        writer.close()
    found = read_framework_spans(tmp_path)
    assert found.steps["number"].tolist() == [0, 0, 1, 1, 2, 2]
    assert [found.nodes[one] for one in found.steps["node"]] == ["0-algo-1", "1-algo-1"] * 3
