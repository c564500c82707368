from __future__ import annotations

from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from tintype.models import at_hand
from tintype.models.at_hand import are_at_hand


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("weights/resnet18.safetensors", True),
        ("weights/resnet18.a1_in1k.safetensors", True),
        ("weights/resnet18-f37072fd.pth", True),
        ("weights/resnet18d.pth", False),
        ("weights/resnet18.txt", False),
        ("torch/hub/checkpoints/resnet18-5c106cde.pth", True),
        ("torch/hub/checkpoints/wide_resnet18-5c106cde.pth", False),
        ("hf/hub/models--timm--resnet18.a1_in1k/snapshots/0a1b/model.safetensors", True),
        ("hf/hub/models--timm--resnet18.a1_in1k/snapshots/0a1b/config.json", False),
        ("hf/hub/models--timm--resnet18d.ra2_in1k/snapshots/0a1b/model.safetensors", False),
    ],
)
def test_files_by_their_names(tmp_path: Path, file: str, found: bool) -> None:
    touch(tmp_path / file)
    environment = {"TORCH_HOME": str(tmp_path / "torch"), "HF_HOME": str(tmp_path / "hf")}
    assert are_at_hand("resnet18", tmp_path / "weights", environment) is found


def test_nothing_anywhere(tmp_path: Path) -> None:
    assert not are_at_hand("resnet18", tmp_path / "weights", {"XDG_CACHE_HOME": str(tmp_path)})


def test_it_looks_where_the_libraries_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert str(at_hand._torch_hub({"TORCH_HOME": str(tmp_path)})) == torch.hub.get_dir()
    assert str(at_hand._hugging_face({"HF_HUB_CACHE": constants.HF_HUB_CACHE})) == constants.HF_HUB_CACHE


def test_the_places_that_are_named_are_those_that_are_looked_into(tmp_path: Path) -> None:
    environment = {"TORCH_HOME": str(tmp_path / "torch"), "HF_HOME": str(tmp_path / "hf")}
    for place in at_hand.places_looked_in("resnet18", tmp_path / "weights", environment):
        name = place.name.replace("[.<tag>]", ".a1_in1k").replace("[-<hash>]", "-f37072fd").replace("-*", "-f37072fd")
        file = place.with_name(name.replace(".*", ".a1_in1k"))
        file = file / "snapshots" / "0a1b" / "model.safetensors" if place.suffix == ".*" else file
        touch(file)
        assert are_at_hand("resnet18", tmp_path / "weights", environment), place
        file.unlink()
        assert not are_at_hand("resnet18", tmp_path / "weights", environment)
