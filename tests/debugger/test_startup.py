"""The way into a process that knows nothing of us: one variable of the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tintype.debugger.modes import Mode
from tintype.debugger.startup import VARIABLE, start_from_environment
from tintype.debugger.tensor_log import open_log
from tintype.site_folder import site_folder

SCRIPT = """
import sys
print([name for name in ("torch", "tintype.debugger.configuration", "numpy") if name in sys.modules])
import torch
from torch import nn
from torch.nn.functional import cross_entropy           # by its name, before anything could replace it later

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(3):
    loss = cross_entropy(net(torch.randn(5, 3)), torch.randint(0, 2, (5,)))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
net.eval()
with torch.no_grad():
    cross_entropy(net(torch.randn(5, 3)), torch.randint(0, 2, (5,)))
print(torch.__spec__.loader.__class__.__name__)
"""


def document(folder: Path) -> dict[str, object]:
    names = ("weights", "biases", "gradients", "losses")
    relu = {"CollectionName": "relu_output", "CollectionParameters": {"include_regex": ".*relu_output"}}
    return {
        "LocalPath": str(folder),
        "HookParameters": {"save_interval": "1"},
        "CollectionConfigurations": [*({"CollectionName": name} for name in names), relu],
    }


def run(tmp_path: Path, script: str = SCRIPT, **variables: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "train.py").write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run([sys.executable, "train.py"], capture_output=True, text=True, cwd=tmp_path, env=environment,
                          timeout=120)  # fmt: skip


def test_an_unmodified_script_is_captured(tmp_path: Path) -> None:
    log_folder = tmp_path / "log"
    (tmp_path / "hook.json").write_text(json.dumps(document(log_folder)))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text("print('theirs')")
    done = run(tmp_path, PYTHONPATH=f"{site_folder()}{os.pathsep}{tmp_path / 'other'}",
               **{VARIABLE: str(tmp_path / "hook.json")})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["theirs", "[]", "SourceFileLoader"]      # nothing was loaded before torch
    log = open_log(log_folder)
    assert log.ended
    assert log.steps(Mode.TRAIN) == [0, 1, 2]
    assert log.steps(Mode.EVAL) == [0]
    assert log.names(collection="relu_output") == ["1_output_0"]
    assert {"Sequential_0.weight", "gradient/Sequential_2.bias", "CrossEntropyLoss_output_0"} <= set(log.names())


def test_without_the_variable_nothing_happens(tmp_path: Path) -> None:
    before = list(sys.meta_path)
    assert start_from_environment({}) is False
    assert start_from_environment({VARIABLE: "  "}) is False
    assert sys.meta_path == before
    code = "import sys; print([name for name in sys.modules if name.startswith('tintype')])"
    done = run(tmp_path, code, PYTHONPATH=str(site_folder()))
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{]", "the debugger could not start"),
        ("/nowhere/hook.json", "there is no hook configuration /nowhere/hook.json"),
        ('{"HookParameters": {"save_intervall": 1}}', "save_intervall"),
    ],
)
def test_a_wrong_configuration_is_said_and_the_script_runs(tmp_path: Path, given: str, said: str) -> None:
    done = run(tmp_path, "import torch; print('trained')", PYTHONPATH=str(site_folder()), **{VARIABLE: given})
    assert (done.returncode, done.stdout.strip()) == (0, "trained")
    assert said in done.stderr


def test_a_script_that_never_imports_torch_pays_for_nothing(tmp_path: Path) -> None:
    code = "import sys, json, decimal; print('numpy' in sys.modules, 'torch' in sys.modules)"
    given = json.dumps(document(tmp_path / "log"))
    done = run(tmp_path, code, PYTHONPATH=str(site_folder()), **{VARIABLE: given})
    assert (done.stdout.strip(), done.stderr) == ("False False", "")
    assert not (tmp_path / "log").exists()
