from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.rules.profiles import COMPUTING, WAITING, Told
from tintype.profiler.breakdown import Activity, break_down
from tintype.profiler.limiter import Limiter, diagnose
from tintype.profiler.phases import Outside, Phase
from tintype.profiler.readers import open_profile
from tintype.profiler.system_metrics import DISK_BUSY, PROCESS_CPU, PROCESS_RUNNABLE, Kind

JOB = Told(seconds=30, steps=200, phases=COMPUTING, cpu=95.0)
WAITS = replace(JOB, phases=WAITING)
TINY = {Phase.DATA_WAIT: 0.1, Phase.FORWARD: 0.5, Phase.BACKWARD: 0.7, Phase.OPTIMIZER: 1.0}

CASES: dict[str, tuple[Limiter, Told]] = {
    "computing": (Limiter.COMPUTE, JOB),
    "decoding": (Limiter.DECODE, replace(WAITS, decoding=0.7, waiting_cpu=0.9)),
    "preparing": (Limiter.PREPARATION, replace(WAITS, decoding=0.1, waiting_cpu=0.9)),
    "waiting for the disk": (Limiter.DISK, replace(WAITS, waiting_cpu=0.1, io_wait=40.0)),
    "a busy disk": (Limiter.DISK, replace(WAITS, waiting_cpu=0.1, more={(Kind.IO, "busiest", DISK_BUSY): 95.0})),
    "sleeping": (Limiter.LOADER_LATENCY, replace(WAITS, waiting_cpu=0.02)),
    "copying": (Limiter.TRANSFER, replace(JOB, phases={**COMPUTING, Phase.HOST_TO_DEVICE: 50.0})),
    "launching": (Limiter.LAUNCH, replace(JOB, phases=TINY, rest=0.5, steps=4000)),
    "an idle GPU": (Limiter.LAUNCH, replace(JOB, gpus=(20.0,))),
    "evaluating": (Limiter.EVALUATION, replace(JOB, between={Outside.EVALUATION: 500.0})),
    "saving": (Limiter.CHECKPOINTING, replace(JOB, between={Outside.CHECKPOINT: 500.0})),
    "starting": (Limiter.INITIALIZATION, replace(JOB, seconds=60, first_step=40.0)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_limits_a_job(tmp_path: Path, case: str) -> None:
    limiter, told = CASES[case]
    found = diagnose(told.write(tmp_path))
    assert found is not None
    assert found.limiter.limiter is limiter
    assert found.limiter.evidence
    assert found.limiter.change


def test_the_bound_is_amdahls(tmp_path: Path) -> None:
    found = diagnose(WAITS.write(tmp_path))
    assert found is not None
    share = 100 / (100 + 20 + 1 + 40 + 3)
    assert found.limiter.share == pytest.approx(share, rel=0.01)
    assert found.limiter.bound == pytest.approx(1 / (1 - share), rel=0.02)


def test_what_the_profiler_took_is_no_part_of_the_loop(tmp_path: Path) -> None:
    plain = diagnose(WAITS.write(tmp_path / "plain"))
    looked = diagnose(replace(WAITS, between={Outside.CLOSER_LOOK: 5000.0}).write(tmp_path / "looked"))
    assert plain is not None
    assert looked is not None
    assert looked.limiter.limiter is plain.limiter.limiter
    assert looked.limiter.share == pytest.approx(plain.limiter.share, rel=0.02)


def test_computing_that_is_mostly_the_optimizer_says_so(tmp_path: Path) -> None:
    found = diagnose(replace(JOB, phases={**COMPUTING, Phase.OPTIMIZER: 200.0}).write(tmp_path / "optimizer"))
    assert found is not None
    assert found.limiter.limiter is Limiter.COMPUTE
    assert "of it is the optimizer" in found.limiter.evidence
    plain = diagnose(JOB.write(tmp_path / "plain"))
    assert plain is not None
    assert plain.limiter.evidence == "forward, loss, backward and optimizer"


BETWEEN = {Outside.EVALUATION: 300.0, Outside.CHECKPOINT: 20.0}


@pytest.mark.parametrize("told", [JOB, replace(JOB, between=BETWEEN), WAITS])
def test_every_second_belongs_to_one_activity(tmp_path: Path, told: Told) -> None:
    found = break_down(told.write(tmp_path))
    assert found is not None
    assert sum(found.seconds.values()) == pytest.approx(found.total, rel=1e-3)
    assert all(seconds >= 0 for seconds in found.seconds.values())
    assert found.seconds[Activity.INITIALIZATION] == pytest.approx(1.0)


def test_without_steps_nothing_is_said(tmp_path: Path) -> None:
    assert diagnose(Told(seconds=10).write(tmp_path / "a")) is None
    (tmp_path / "b").mkdir()
    assert break_down(open_profile(tmp_path / "b")) is None


def test_a_thread_that_waits_inside_of_its_steps(tmp_path: Path) -> None:
    own, wanting = (Kind.CPU, "job", PROCESS_CPU), (Kind.CPU, "job", PROCESS_RUNNABLE)
    held = replace(JOB, phases=COMPUTING, working_cpu=0.3, more={own: 120.0, wanting: 1.2})

    def limited(name: str, told: Told) -> tuple[Limiter, str]:
        found = diagnose(told.write(tmp_path / name))
        assert found is not None
        return found.limiter.limiter, found.limiter.evidence

    limiter, evidence = limited("held", held)
    assert limiter is Limiter.WAITING
    assert "in 70% of its steps; other threads of the job used 0.9 cores meanwhile" in evidence
    for name, told in {
        "works": replace(held, working_cpu=0.95),
        "waits for a core": replace(held, more={own: 120.0, wanting: 4.0}),
        "crowded": replace(held, more={own: 380.0, wanting: 12.0}),
        "not told by the kernel": replace(held, more={own: 120.0}),
        "a GPU": replace(held, gpus=(95.0,)),
        "two workers": replace(held, workers=2),
        "not told by the loop": replace(held, working_cpu=0.0),
    }.items():
        assert limited(name, told)[0] is Limiter.COMPUTE, name


def test_a_step_of_many_passes_is_many_small_ones(tmp_path: Path) -> None:
    found = diagnose(replace(JOB, phases=COMPUTING, passes=40).write(tmp_path / "many"))
    assert found is not None
    assert found.limiter.limiter is Limiter.LAUNCH
    assert "a pass takes" in found.limiter.evidence


def test_a_thread_that_waits_for_its_turn_is_working(tmp_path: Path) -> None:
    crowded, quiet = (replace(WAITS, waiting_cpu=0.3, cpu=cpu) for cpu in (99.0, 40.0))
    found = [diagnose(told.write(tmp_path / name)) for name, told in (("crowded", crowded), ("quiet", quiet))]
    assert [one.limiter.limiter for one in found if one] == [Limiter.PREPARATION, Limiter.LOADER_LATENCY]
    own, wanting = (Kind.CPU, "job", PROCESS_CPU), (Kind.CPU, "job", PROCESS_RUNNABLE)
    for wants, limiter in ((2.2, Limiter.PREPARATION), (1.05, Limiter.LOADER_LATENCY)):     # the kernel tells of turns
        told = replace(crowded, more={own: 100.0, wanting: wants})
        known = diagnose(told.write(tmp_path / str(wants)))
        assert known is not None
        assert known.limiter.limiter is limiter
