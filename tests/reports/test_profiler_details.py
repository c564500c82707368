"""What the report says of operators, layers, memory and Python lines, and why it says nothing where there are none."""

from __future__ import annotations

from pathlib import Path

from tests.rules.profiles import COMPUTING, Told
from tintype.profiler.breakdown import break_down
from tintype.profiler.detail_files import (
    Function,
    HotSpots,
    Layer,
    Operator,
    Operators,
    write_hot_spots,
    write_operators,
)
from tintype.profiler.phases import Outside, Phase
from tintype.profiler.readers import JobProfile, open_profile
from tintype.reports.profiler_details import memory, operators, python
from tintype.reports.profiler_parts import Lacking, Section
from tintype.rules.profiler_catalogue import judge_profile, make_profiler_rule
from tintype.rules.profiler_rule import Judgement

MIB = 1024**2
PHASES = {Phase.FORWARD: 20.0, Phase.BACKWARD: 40.0}
WINDOW = Operators(
    "0-algo-1", 10, 3, 0.4,
    (
        Operator("aten::convolution", "CPU", 60_000, 61_000, 6),
        Operator("volta_sgemm", "GPU", 30_000, 30_000, 3),
        Operator("aten::add_", "CPU", 500, 500, 90),
    ),
    (Layer("layer1.0.conv1", "Conv2d", 20_000, 40_000, 3), Layer("fc", "Linear", 100, 200, 3)),
    {"forward": 300 * MIB, "backward": 410 * MIB}, "the whole process",
)  # fmt: skip
SPOTS = HotSpots("0-algo-1", 15, 40, 20.0, 2000, (Function("Dogs.__getitem__", "code/hpo.py", 31, 1200, 1300),))


def profile(root: Path, *, looked: bool) -> JobProfile:
    job = Told(60.0, steps=200, phases=PHASES, between={Outside.EVALUATION: 300.0}).write(root)
    if looked:
        write_operators(root, WINDOW)
        write_hot_spots(root, SPOTS)
    return open_profile(job.root)


def overall(job: JobProfile) -> Judgement:
    return judge_profile(job, (make_profiler_rule("OverallFrameworkMetrics"),))[0]


def words(section: Section) -> str:
    rows = [cell for table in section.tables for row in table.rows for cell in row if not cell.startswith("<svg")]
    lacking = [one.missing.reason for one in section.figures if hasattr(one, "missing")]
    return " ".join([*section.readings, *rows, *lacking])


def test_operators_and_layers(tmp_path: Path) -> None:
    job = profile(tmp_path, looked=True)
    said = words(operators(job, overall(job)))
    assert "3 steps from step 10 on" in said
    assert "aten::convolution CPU 20 66.3% 6" in said
    assert "layer1.0.conv1 Conv2d 6.7 13" in said
    assert "volta_sgemm GPU" in said
    assert overall(job).details["GPU"] == {"volta_sgemm": 100.0}


def test_memory_by_phase_and_by_part_of_the_job(tmp_path: Path) -> None:
    job = profile(tmp_path, looked=True)
    said = words(memory(job, break_down(job)))
    assert "backward 410 MiB" in said
    assert "training loop" in said
    assert "evaluation" in said


def test_python_lines(tmp_path: Path) -> None:
    said = words(python(profile(tmp_path, looked=True)))
    assert "Most often, 60.0%, it was in Dogs.__getitem__ (code/hpo.py:31)" in said


def test_a_training_that_was_over_before_the_window_is_told_so(tmp_path: Path) -> None:
    job = Told(10, steps=9, phases=COMPUTING).write(tmp_path)
    for section in (operators(job, None), memory(job, None), python(job)):
        reasons = [one.missing.reason for one in section.figures if isinstance(one, Lacking)]
        assert any("the training had 9 steps, and windows begin at step 10" in one for one in reasons)


def test_where_nobody_looked_it_says_how_to(tmp_path: Path) -> None:
    job = profile(tmp_path, looked=False)
    for section in (operators(job, overall(job)), memory(job, break_down(job)), python(job)):
        assert "--profile-steps" in words(section)
    assert "was not sampled" in words(memory(JobProfile(tmp_path / "none"), None))
