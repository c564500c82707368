"""A script that opens smdebug's hook by itself, and nobody asked for a hook or a rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tintype.debugger.tensor_log import open_log
from tintype.jobs.job import Source
from tintype.pipeline.debugging import opens_hook

SCRIPT = """
import smdebug.pytorch as smd
import torch
from torch import nn

net, criterion = nn.Linear(8, 2), nn.CrossEntropyLoss()
hook = smd.Hook.create_from_json_file()
hook.register_module(net)
hook.register_loss(criterion)
hook.set_mode(smd.modes.TRAIN)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(3):
    optimizer.zero_grad()
    criterion(net(torch.randn(4, 8)), torch.tensor([0, 1, 0, 1])).backward()
    optimizer.step()
"""


def test_it_finds_the_default_configuration_as_with_sagemakers_estimators(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    job = Shell(tmp_path / "home").json("train", "--entry-point", script, "--name", "hooked")
    assert job["status"] == "Completed"
    log = open_log(tmp_path / "home" / "jobs" / "hooked" / "debug-output")
    assert log.names(collection="losses") == ["CrossEntropyLoss_output_0"]


@pytest.mark.parametrize(
    ("files", "entry_point", "expected"),
    [
        ({"train.py": "import smdebug"}, "train.py", True),
        ({"train.py": "import watching", "watching/__init__.py": "from smdebug import modes"}, "train.py", True),
        ({"train.py": "import torch", "readme.txt": "smdebug"}, "train.py", False),
        ({}, "nowhere.py", False),
    ],
)
def test_which_scripts_open_one(tmp_path: Path, files: dict[str, str], entry_point: str, expected: bool) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert opens_hook(Source("script", entry_point, str(tmp_path))) is expected
    assert not opens_hook(Source("module", "tintype.training"))
    assert not opens_hook(Source("script", entry_point, "s3://bucket/code.tar.gz"))
