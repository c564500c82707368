from __future__ import annotations

import logging

import pytest
import torch

from tests.training.small_jobs import PlanMaker
from tintype.errors import JobFailed, StorageFailed
from tintype.training import run as run_module
from tintype.training.distributed import World
from tintype.training.events import End, Event, Failure, Outcome
from tintype.training.run import reason_of, run_job
from tintype.training.session import Host


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_out_of_memory_says_what_to_do(make_plan: PlanMaker, error: Exception) -> None:
    assert "with 8 images per batch; choose a smaller batch-size" in reason_of(error, make_plan())


def test_our_own_errors_are_told_as_they_are(make_plan: PlanMaker) -> None:
    assert reason_of(JobFailed("the loss became nan"), make_plan()) == "the loss became nan"


def test_what_nobody_foresaw_is_logged_with_its_place(make_plan: PlanMaker, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert reason_of(KeyError("x"), make_plan()).startswith("unexpected KeyError: 'x'")
    assert caplog.records[0].exc_info is not None


def test_a_full_disk_is_told_though_not_written(make_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFailed("the disk is full while writing x")

    monkeypatch.setattr(run_module, "train", full)
    monkeypatch.setattr(run_module, "write_failure", full)
    events: list[Event] = []
    plan = make_plan()
    assert run_job(plan, events.append, resume=False, host=Host()) is Outcome.FAILED
    reason = "the disk is full while writing x"
    assert events == [Failure(reason), End(plan.name, Outcome.FAILED, reason)]


def test_only_the_leading_process_speaks_of_the_end(make_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise JobFailed("the loss became nan")

    monkeypatch.setattr(run_module, "train", failing)
    events: list[Event] = []
    run_job(make_plan(), events.append, resume=False, host=Host(World(1, 2)))
    assert not any(isinstance(event, End) for event in events)
