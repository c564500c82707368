from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tintype.debugger import capture_step
from tintype.debugger.capture_reductions import SMALL, Wanted
from tintype.debugger.capture_repeats import Repeats
from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.hook import Hook
from tintype.debugger.modes import Mode
from tintype.debugger.tensor_log import open_log

WANTED = (("mean", False), ("max", False))


def test_a_tensor_is_known_until_it_changes() -> None:
    repeats, tensor, numbers = Repeats(), torch.ones(3), torch.tensor([1.0, 1.0])
    assert repeats.find(tensor, WANTED) is None
    repeats.note(tensor, WANTED, numbers)
    assert repeats.find(tensor, WANTED) is numbers
    assert repeats.find(tensor, WANTED[:1]) is None
    assert repeats.find(tensor.clone(), WANTED) is None
    tensor.relu_()
    assert repeats.find(tensor, WANTED) is None


def test_nothing_is_kept_alive_and_a_successor_in_its_place_is_another() -> None:
    repeats, tensor = Repeats(), torch.ones(3)
    repeats.note(tensor, WANTED, torch.zeros(2))
    gone = weakref.ref(tensor)
    del tensor
    gc.collect()
    assert gone() is None
    assert all(repeats.find(torch.ones(3), WANTED) is None for _ in range(20))      # some have its id


def test_where_changes_are_not_counted_nothing_is_known() -> None:
    repeats = Repeats()
    with torch.inference_mode():
        tensor = torch.ones(3)
        repeats.note(tensor, WANTED, torch.zeros(2))
        assert repeats.find(tensor, WANTED) is None


@pytest.mark.parametrize("inplace", [False, True])
def test_what_leaves_a_layer_and_enters_the_next_is_reduced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inplace: bool
) -> None:
    reduced: list[torch.Size] = []
    reduce_all = capture_step.reduce_all

    def counted(tensors: Sequence[Tensor], wanted: Wanted) -> list[Tensor]:
        reduced.extend(one.shape for one in tensors if one.numel() > SMALL)
        return reduce_all(tensors, wanted)

    monkeypatch.setattr(capture_step, "reduce_all", counted)
    network = nn.Sequential(nn.Linear(4, SMALL), nn.ReLU(inplace), nn.Linear(SMALL, SMALL // 2))
    document = {
        "LocalPath": str(tmp_path / "log"),
        "HookParameters": {"save_interval": "1", "reductions": "mean,max", "include_regex": r"^\d_.*put"},
    }
    hook = Hook(HookConfiguration.from_json(document))
    hook.register_module(network)
    hook.set_mode(Mode.TRAIN)
    images = torch.randn(5, 4)
    expected = network[0](images).detach()
    network(images)
    hook.close()

    log = open_log(tmp_path / "log")
    values = {name: float(log.reduction(name, 0, "mean")) for name in ("0_output_0", "1_input_0", "1_output_0")}
    assert values["0_output_0"] == pytest.approx(float(expected.mean()), rel=1e-4)
    assert values["1_input_0"] == values["0_output_0"]              # taken before the ReLU overwrote it
    assert values["1_output_0"] == pytest.approx(float(expected.relu().mean()), rel=1e-4)
    assert float(log.reduction("2_input_0", 0, "mean")) == values["1_output_0"]
    assert reduced == [(5, SMALL), (5, SMALL), (5, SMALL // 2)]     # what 0, 1 and 2 gave
