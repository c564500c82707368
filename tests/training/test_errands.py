from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tintype.settings import Settings


def ask(request: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "tintype.training.errands"]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("network", "answer"),
    [("small_cnn", {"pretrained": False, "source": "none, since small_cnn is trained from scratch"})],
)
def test_an_errand_is_answered(tmp_path: Path, network: str, answer: dict[str, Any]) -> None:
    settings = Settings(home=tmp_path, offline=True).model_dump(mode="json")
    assert ask({"errand": "find-weights", "network": network, "settings": settings}) == {"answer": answer}


def test_what_cannot_be_had_comes_back_as_an_error(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, offline=True).model_dump(mode="json")
    refused = ask({"errand": "find-weights", "network": "efficientnet_lite0", "settings": settings})
    assert refused["error"] == "NotFound"
    assert "Tintype is offline" in refused["reason"]
    assert ask({"errand": "dance"})["error"] == "NotFound"
    assert "'resnet18'" in ask({"errand": "know-network", "network": "resnet_18"})["reason"]
    assert ask({"errand": "know-network", "network": "resnet18"}) == {"answer": {}}
