"""The way into a script that knows nothing of us, beside the debugger's own and that of the environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tintype.errors import InvalidRequest
from tintype.profiler.capture_settings import OF_LOOP, VARIABLE, CaptureSettings, Window
from tintype.profiler.phases import StepMode
from tintype.profiler.readers import open_profile
from tintype.profiler.span_reader import of_mode
from tintype.profiler.startup import start_from_environment
from tintype.site_folder import site_folder

TRAINING = """
import torch
from torch import nn

def work():
    net = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(4):
        nn.CrossEntropyLoss()(net(torch.zeros(1, 2)), torch.zeros(1).long()).backward()
        optimizer.step()
"""
SPAWNING = f"""{TRAINING}
import multiprocessing

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=work) for _ in range(2)]
    [child.start() for child in children]
    [child.join() for child in children]
    print([child.exitcode for child in children])
"""


def run(folder: Path, script: str, *paths: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(script)
    search = os.pathsep.join(map(str, paths or (site_folder(),)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": search, **variables}
    return subprocess.run([sys.executable, "train.py"], capture_output=True, text=True, cwd=folder, env=environment,
                          timeout=120)  # fmt: skip


def test_nothing_is_loaded_until_the_script_imports_torch(tmp_path: Path) -> None:
    variable = CaptureSettings(tmp_path / "profile").to_variable()
    script = "import sys; print([one for one in ('torch', 'numpy', 'tintype.profiler.capture') if one in sys.modules])"
    done = run(tmp_path, script, TINTYPE_PROFILER=variable)
    assert done.stdout == "[]\n"
    assert not (tmp_path / "profile").exists()


def test_profiler_debugger_and_the_environments_own_are_all_run(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text("print('theirs')")
    shutil.copytree(site_folder(), tmp_path / "ours again")     # of another installation
    hook = {"LocalPath": str(tmp_path / "tensors"), "HookParameters": {"save_interval": "1"}}
    done = run(
        tmp_path, TRAINING + "\nwork()\n", site_folder(), site_folder(), tmp_path / "ours again", tmp_path / "other",
        TINTYPE_PROFILER=CaptureSettings(tmp_path / "profile").to_variable(),
        TINTYPE_DEBUGGER_CONFIG=json.dumps(hook), CURRENT_HOST="algo-2",
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("theirs\n", "")
    steps = open_profile(tmp_path / "profile").spans()
    assert len(of_mode(steps.steps, StepMode.TRAIN)) == 4
    assert steps.nodes == ("0-algo-2",)
    assert (tmp_path / "tensors" / "index").is_dir()


def test_processes_of_one_script_never_share_a_name(tmp_path: Path) -> None:
    done = run(tmp_path, SPAWNING, TINTYPE_PROFILER=CaptureSettings(tmp_path / "profile").to_variable())
    assert (done.stdout, done.stderr) == ("[0, 0]\n", "")
    found = open_profile(tmp_path / "profile").spans()
    assert len(found.steps) == 8
    assert set(found.nodes) <= {"0-algo-1", "1-algo-1"}     # one after the other they may have the same
    assert found.damaged == 0


def test_a_loop_that_says_its_phases_is_left_to_that(tmp_path: Path) -> None:
    variable = CaptureSettings(tmp_path / "profile").to_variable()
    assert not start_from_environment({VARIABLE: variable, OF_LOOP: "1"})
    assert run(tmp_path, TRAINING + "\nwork()\n", TINTYPE_PROFILER=variable, TINTYPE_PROFILER_OF_LOOP="1").stderr == ""
    assert not (tmp_path / "profile").exists()


def test_a_variable_that_is_none_costs_the_script_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, TRAINING + "\nwork(); print('trained')\n", TINTYPE_PROFILER="{")
    assert done.stdout == "trained\n"
    assert "runs without the profiler" in done.stderr
    assert not start_from_environment({})


def test_settings_come_back_from_the_variable(tmp_path: Path) -> None:
    settings = CaptureSettings(tmp_path, Window(5, 3), Window(since=100.0, seconds=2.0))
    assert CaptureSettings.from_environment({VARIABLE: settings.to_variable()}) == settings
    assert settings.operators is not None
    assert [settings.operators.has_begun(step, 0.0) for step in (4, 5, 9)] == [False, True, True]
    assert [settings.operators.is_over(steps, 1e9) for steps in (2, 3)] == [False, True]
    assert settings.hot_spots is not None
    assert [settings.hot_spots.has_begun(0, now) for now in (99.0, 100.0)] == [False, True]
    assert [settings.hot_spots.is_over(9, seconds) for seconds in (1.0, 2.0)] == [False, True]
    with pytest.raises(InvalidRequest, match="a window needs"):
        Window(3, 0)
