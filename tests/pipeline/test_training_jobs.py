from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tintype.errors import InvalidRequest, NotFound
from tintype.pipeline.training_jobs import (
    TrainingRequest,
    absolute,
    base_plan,
    refuse_unknown_network,
    settled,
    weights_finder,
)
from tintype.settings import Settings
from tintype.workspace import Workspace, open_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with open_workspace(Settings(home=tmp_path / "home")) as found:
        yield found


def test_a_file_of_weights_is_found_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.safetensors").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert settled({"Weights": "mine.safetensors", "bs": 8}) == {
        "weights": str(tmp_path / "mine.safetensors"), "batch-size": 8,
    }  # fmt: skip
    assert settled({"weights": "none"}) == {"weights": "none"}
    with pytest.raises(NotFound, match=r"no weights file .*/yours.pth"):
        settled({"weights": "yours.pth"})


def test_data_that_are_not_there_are_refused_at_once(workspace: Workspace, colours: Path) -> None:
    assert base_plan(workspace, TrainingRequest("ants", str(colours), {})).data.location == str(colours)
    with pytest.raises(NotFound, match=r"did you mean .*colours"):
        base_plan(workspace, TrainingRequest("ants", f"{colours}s", {}))
    with pytest.raises(InvalidRequest, match="no data set is named"):
        base_plan(workspace, TrainingRequest("ants", absolute(""), {}))


@pytest.mark.parametrize("name", ["resnet_18", "resnet18.a1_in1kk"])
def test_a_network_that_there_is_not_is_refused_at_once(workspace: Workspace, colours: Path, name: str) -> None:
    with pytest.raises(NotFound, match=rf"there is no network named '{name}'; did you mean 'resnet18"):
        base_plan(workspace, TrainingRequest("ants", str(colours), {"model": name, "weights": "none"}))


def test_networks_with_a_tag_or_an_old_name_are_networks() -> None:
    for name in ("small_cnn", "vit_b_16", "resnet18.a1_in1k", "efficientnet_b5.tv_in1k", "tf_efficientnet_b0_ap"):
        refuse_unknown_network(name)


def test_nobody_publishes_weights_of_our_own_network(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")           # no process is asked
    assert not weights_finder(workspace.settings, {})("small_cnn")
    workspace.settings.weights.mkdir()
    (workspace.settings.weights / "small_cnn.safetensors").write_bytes(b"")
    assert weights_finder(workspace.settings, {})("small_cnn")


def test_offline_it_is_said_where_weights_may_lie(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", offline=True)
    with pytest.raises(NotFound, match=r"Tintype is offline.*Tried: .*/home/weights/resnet18.*/torch/hub/checkpoints"):
        weights_finder(settings, {"TORCH_HOME": str(tmp_path / "torch"), "HF_HOME": str(tmp_path)})("resnet18")


def test_a_seed_is_a_hyperparameter_like_others(workspace: Workspace, colours: Path) -> None:
    assert base_plan(workspace, TrainingRequest("ants", str(colours), {}, seed=3)).seed == 3
    assert base_plan(workspace, TrainingRequest("ants", str(colours), {"Seed": "4"}, seed=3)).seed == 4
    with pytest.raises(InvalidRequest, match="'seed': input should be greater than or equal to 0, got -1"):
        base_plan(workspace, TrainingRequest("ants", str(colours), {}, seed=-1))
