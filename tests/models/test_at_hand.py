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
