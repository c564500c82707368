"""What goes wrong in the debugger is noted once and costs the training nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.debugger.networks import Net, batch, configuration, hook_of, train
from tintype.debugger import capture_step
from tintype.debugger.hook import Hook
from tintype.debugger.hook_guard import MOST_FAILURES
from tintype.debugger.tensor_log import open_log


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]


def test_a_reduction_that_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*given: object) -> None:
        raise ArithmeticError("no such number")

    hook = hook_of(tmp_path, ["losses", ("weights", {"reductions": "mean"})])
    net = Net()
    hook.register_module(net)
    monkeypatch.setattr(capture_step, "reduce_all", broken)
    losses = train(net, 3)
    hook.close()
    assert all(loss > 0 for loss in losses)
    log = open_log(tmp_path)
    assert len(log.values("CrossEntropyLoss_output_0")) == 3
    assert hook.failures == {"ArithmeticError: no such number": 3}
    assert len(errors_in(caplog)) == 1
    noted = json.loads((tmp_path / "tintype" / "worker_0.errors.json").read_text())
    assert "no such number" in noted["losses"][0]["reason"]


def test_something_that_fails_in_the_backward_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("out of memory")

    hook, net = hook_of(tmp_path), Net()
    hook.register_module(net)
    monkeypatch.setattr("tintype.debugger.capture_parts.unscaled", broken)
    train(net, 2)
    hook.close()
    assert hook.failures == {"RuntimeError: out of memory": 2}
    assert len(open_log(tmp_path).values("Net_fc.weight")) == 2


def test_after_too_many_failures_it_stands_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("again")

    hook, net = hook_of(tmp_path), Net()
    hook.register_module(net)
    monkeypatch.setattr(hook.plan, "due", broken)
    for _ in range(MOST_FAILURES + 5):
        net(batch(1)[0])
    assert sum(hook.failures.values()) == MOST_FAILURES
    assert len(errors_in(caplog)) == 2
    hook.close()


def test_a_folder_that_belongs_to_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "log").write_text("")
    hook, net = hook_of(tmp_path / "log"), Net()
    hook.register_module(net)
    assert len(train(net, 3)) == 3
    hook.close()
    assert len(errors_in(caplog)) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    hook, net = hook_of(tmp_path / "log"), Net()
    hook.register_module(net)
    assert len(train(net, 3)) == 3
    hook.close()
    tmp_path.chmod(0o700)


def test_a_log_that_has_ended_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, net = hook_of(tmp_path), Net()
    first.register_module(net)
    train(net, 1)
    first.close()
    written = sorted(tmp_path.rglob("*"))
    second = hook_of(tmp_path)
    second.register_module(net)
    train(net, 2)
    second.close()
    assert sorted(tmp_path.rglob("*")) == written
    assert len([one for one in errors_in(caplog) if "has ended" in one]) == 1
    resumed = Hook(configuration(tmp_path), resume=True)
    resumed.register_module(net)
    train(net, 2)
    resumed.close()
    assert open_log(tmp_path).steps() == [0, 1, 2]                  # it goes on counting


FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from tests.debugger.networks import Net, hook_of, train
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))       # as far as a file may grow: the disk is full
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hook, net = hook_of(Path(sys.argv[1])), torch.nn.Sequential(Net(), torch.nn.Linear(4, 9000), torch.nn.Linear(9000, 4))
hook.register_module(net)
print(len(train(net, 3)))
"""


def test_a_full_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr
    assert done.stderr.count("the debugger could not save step") == 1, done.stderr
    assert "Traceback" not in done.stderr
    noted = json.loads((tmp_path / "tintype" / "worker_0.errors.json").read_text())
    assert noted["losses"][0]["steps"] == 3
    assert open_log(tmp_path).steps() == []


def test_a_training_that_dies_leaves_its_last_step_and_an_end(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.debugger.networks import *\n"
        "hook, net = hook_of(Path(sys.argv[1])), Net()\nhook.register_module(net)\n"
        "train(net, 2)\nraise SystemExit('the training fails')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True,
                          cwd=Path(__file__).parents[2])  # fmt: skip
    assert "the training fails" in done.stderr
    log = open_log(tmp_path)
    assert log.steps() == [0, 1]
    assert log.ended


def test_a_forked_child_saves_nothing_and_ends_nothing(tmp_path: Path) -> None:
    hook, net = hook_of(tmp_path), Net()
    hook.register_module(net)
    train(net, 1)
    child = os.fork()
    if child == 0:
        net(batch()[0])
        hook.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    train(net, 1)
    hook.close()
    log = open_log(tmp_path)
    assert log.steps() == [0, 1]
    assert log.ended


def test_memory_is_used_again(tmp_path: Path) -> None:
    hook, net = hook_of(tmp_path), torch.nn.Sequential(Net(), torch.nn.Linear(4, 100_000))
    hook.register_module(net)
    for step in range(12):
        net(batch(seed=step)[0]).mean().backward()
    hook.close()
    assert hook._steps.buffered_bytes() < 12 * 2 * 2_000_000 / 2
