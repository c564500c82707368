from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.small_jobs import PlanMaker
from tintype.errors import NotFound
from tintype.models import networks
from tintype.storage import file_sha256
from tintype.training import session as sessions
from tintype.training.depthwise import DepthwiseConv2d
from tintype.training.distributed import World
from tintype.training.events import Event, Note, Warning
from tintype.training.session import Host, open_session


def test_it_says_where_it_computes_and_where_weights_come_from(make_plan: PlanMaker) -> None:
    events: list[Event] = []
    open_session(make_plan(), events.append, Host())
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any(text.startswith("computing on 1 CPU threads, fp32") for text in notes)
    assert "small_cnn starts from random weights (nobody publishes any of it)" in notes
    assert any("set aside" in text for text in notes)           # what the reader of the folder decided


@pytest.mark.parametrize(("freeze", "warnings"), [("none", 0), ("backbone", 1), ("2", 1)])
def test_it_warns_of_a_frozen_part_that_is_random(make_plan: PlanMaker, freeze: str, warnings: int) -> None:
    events: list[Event] = []
    open_session(make_plan({"freeze": freeze}), events.append, Host())
    assert sum(isinstance(event, Warning) and "is random and stays so" in event.text for event in events) == warnings


def test_other_processes_are_silent(make_plan: PlanMaker) -> None:
    events: list[Event] = []
    open_session(make_plan(), events.append, Host(World(1, 2)))
    assert events == []


def test_the_seed_fixes_a_new_network(make_plan: PlanMaker) -> None:
    def weight(seed: int) -> torch.Tensor:
        torch.manual_seed(seed + 77)            # whatever happened before
        return next(open_session(make_plan(seed=seed), print, Host()).create_network().module.parameters())

    assert torch.equal(weight(1), weight(1))
    assert not torch.equal(weight(1), weight(2))


def test_a_network_is_laid_out_as_its_images_are(make_plan: PlanMaker) -> None:
    module = open_session(make_plan(), print, Host()).create_network().module
    kernels = [parameter for parameter in module.parameters() if parameter.ndim == 4]
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


@pytest.mark.parametrize(("half", "kind"), [(torch.bfloat16, DepthwiseConv2d), (None, torch.nn.Conv2d)])
def test_depthwise_convolutions_are_quickened_for_bf16(
    make_plan: PlanMaker, half: torch.dtype | None, kind: type
) -> None:
    session = open_session(make_plan({"model": "efficientnet_lite0", "weights": "none"}), print, Host())
    module = replace(session, place=replace(session.place, half=half)).create_network().module
    assert {type(part) for part in module.modules() if getattr(part, "groups", 1) > 1} == {kind}


def test_pretrained_weights_that_are_nowhere_are_an_error(make_plan: PlanMaker) -> None:
    with pytest.raises(NotFound, match="no weights for efficientnet_lite0"):
        open_session(make_plan({"model": "efficientnet_lite0", "weights": "auto"}), print, Host())


def test_the_learning_rate_is_found_when_it_is_left_open(make_plan: PlanMaker) -> None:
    assert open_session(make_plan({"lr": 0.7}), print, Host()).learning_rate == 0.7
    assert open_session(make_plan(), print, Host()).learning_rate > 0


def test_a_weights_file_is_read_whole_once(
    make_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def digest(path: Path) -> str:
        read.append(path)
        return file_sha256(path)

    monkeypatch.setattr(sessions, "file_sha256", digest)
    weights = tmp_path / "weights.pth"
    network = networks.create("small_cnn", 3, image_size=16).module
    torch.save(network.state_dict(), weights)
    plan = make_plan({"weights": str(weights)})
    first, second = (open_session(plan, print, Host()).weights.sha256 for _ in range(2))
    assert first == second == file_sha256(weights)
    assert len(read) == 1

    was = weights.stat()
    next(network.parameters()).data += 1.0
    torch.save(network.state_dict(), weights)                   # as long as before ...
    os.utime(weights, ns=(was.st_atime_ns, was.st_mtime_ns))    # ... and as old, as a copy with its times is
    assert open_session(plan, print, Host()).weights.sha256 == file_sha256(weights) != first
    assert len(read) == 2
