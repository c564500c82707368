"""A person's script, profiled: its report, the verdicts of its rules, and what a sampler that dies leaves."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cli.shell import Answer, Shell
from tintype.profiler.limiter import diagnose
from tintype.profiler.readers import open_profile

SCRIPT = """
import time
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

class Slow(Dataset):
    def __len__(self): return 320
    def __getitem__(self, index):
        time.sleep(0.004)
        return torch.zeros(8), index % 2

torch.set_num_threads(1)
net, criterion = nn.Linear(8, 2), nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for images, labels in DataLoader(Slow(), batch_size=8):
    optimizer.zero_grad()
    criterion(net(images), labels).backward()
    optimizer.step()
print("trained")
"""


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Answer]:
    shell = Shell(tmp_path_factory.mktemp("home"))
    script = tmp_path_factory.mktemp("scripts") / "train.py"
    script.write_text(SCRIPT)
    words = ["--rule", "ProfilerReport", "--rule", "Dataloader", "--rule", "low_gpu_utilization:window=100"]
    named = ("--name", "slow", "--profiler-interval", "100", *words)
    return shell, shell.json("train", "--entry-point", script, *named)


def test_each_rule_has_a_verdict_of_its_own_in_sagemakers_words(profiled: tuple[Shell, Answer]) -> None:
    _, job = profiled
    rules = {one["name"]: one for one in job["rules"]}
    assert job["status"] == "Completed"
    assert rules["Dataloader"]["status"] == rules["ProfilerReport"]["status"] == "IssuesFound"
    assert rules["Dataloader"]["details"].startswith("RuleEvaluationConditionMet: Evaluation of the rule Dataloader")
    assert rules["LowGPUUtilization"]["status"] == "NoIssuesFound"
    assert not rules["LowGPUUtilization"]["evaluated"]
    assert "no GPU" in rules["LowGPUUtilization"]["details"]


def test_the_report_and_its_files_are_where_sagemaker_has_them(profiled: tuple[Shell, Answer]) -> None:
    _, job = profiled
    output = Path(job["directory"]) / "rule-output"
    folder = output / "ProfilerReport" / "profiler-output"
    assert "loader latency" in (folder / "profiler-report.html").read_text()
    assert json.loads((folder / "profiler-report.ipynb").read_text())["nbformat"] == 4
    assert len(list((folder / "profiler-reports").glob("*.json"))) >= 11
    alone = output / "Dataloader" / "profiler-output" / "profiler-reports" / "Dataloader.json"
    assert json.loads(alone.read_text())["RuleTriggered"] == 1


def test_what_was_measured_says_what_is_slow(profiled: tuple[Shell, Answer]) -> None:
    _, job = profiled
    profile = open_profile(Path(job["directory"]) / "profiler-output")
    found = diagnose(profile)
    assert found is not None
    assert found.limiter.limiter.value == "loader latency"
    assert profile.has_ended
    assert len(profile.steps()) == 40
    assert profile.system().table("ProcessCPUUtilization", "algo-1")


def test_a_job_that_nobody_asked_about_is_sampled_and_nothing_else(
    profiled: tuple[Shell, Answer], tmp_path: Path
) -> None:
    shell, _ = profiled
    (tmp_path / "plain.py").write_text("import time; time.sleep(1.5)\n")
    job = shell.json("train", "--entry-point", tmp_path / "plain.py", "--name", "plain")
    profile = open_profile(Path(job["directory"]) / "profiler-output")
    assert profile.system()
    assert not profile.spans().nodes
    assert job["rules"] == []
    off = shell.json("train", "--entry-point", tmp_path / "plain.py", "--name", "off", "--profiler-interval", "0")
    assert not list((Path(off["directory"]) / "profiler-output").iterdir())
    assert "from 100 to 60000" in shell(
        "train", "--entry-point", tmp_path / "plain.py", "--profiler-interval", "7", code=2
    ).stderr


def test_the_built_in_trainer_is_recorded_once_when_the_debugger_watches_it_too(
    profiled: tuple[Shell, Answer], colours: Path
) -> None:
    """The debugger brings `sitecustomize` into its process, which would start a profiler beside the loop's own."""
    words = ("--model", "small_cnn", "--epochs", "3", "--rule", "LossNotDecreasing", "--profile-steps", "1:1")
    job = profiled[0].json("train", colours, "--name", "both", *words)
    assert (job["status"], job["failure_reason"]) == ("Completed", "")
    found = open_profile(Path(job["directory"], "profiler-output"))
    assert found.spans().nodes == ("0-algo-1",)
    assert found.operators


def test_trials_of_a_search_are_watched_when_that_is_asked_for(
    profiled: tuple[Shell, Answer], tmp_path: Path
) -> None:
    shell, _ = profiled
    lines = SCRIPT.replace("import torch\n", "import torch, sys\n", 1) + "\nprint('score:', 1 + len(sys.argv))\n"
    (tmp_path / "train.py").write_text(lines)
    search = ("tune", "--entry-point", tmp_path / "train.py", "--range", "lr=0.1:0.2", "--metric", "score=score: (.*)")
    search += ("--objective", "score", "--direction", "maximize")
    asked = ("--rule", "Dataloader", "--rule", "Overfit", "--profiler-interval", "100")
    found = shell.json(*search, "--max-jobs", "2", "--name", "seen", *asked)
    assert found["counts"]["Completed"] == 2
    for trial in found["trials"]:
        job = shell.json("jobs", "show", trial["job"])
        assert {one["name"] for one in job["rules"]} == {"Dataloader", "Overfit"}
        assert {one["name"]: one["status"] for one in job["rules"]}["Dataloader"] == "IssuesFound"
        assert len(open_profile(Path(job["directory"]) / "profiler-output").steps()) == 40
    assert shell.json("report", "seen", "--profile")["profile"].endswith("profiler.html")
    unseen = shell.json(*search, "--max-jobs", "1", "--name", "unseen")
    [trial] = unseen["trials"]
    assert not list((Path(shell.json("jobs", "show", trial["job"])["directory"]) / "profiler-output").iterdir())


def test_a_running_job_is_watched_until_it_ends(profiled: tuple[Shell, Answer], tmp_path: Path) -> None:
    shell, _ = profiled
    (tmp_path / "train.py").write_text(SCRIPT.replace("return 320", "return 1600"))
    asked = ("--profiler-interval", "100", "--no-wait")
    shell("train", "--entry-point", tmp_path / "train.py", "--name", "running", *asked)
    seen = [None]
    until = time.monotonic() + 180
    while not (seen[-1] and seen[-1]["limiter"]) and time.monotonic() < until:
        seen.append(shell.json("jobs", "show", "running")["live"])
    assert seen[-1]["limiter"] == "loader latency"
    assert seen[-1]["step_seconds"] > 0.02
    watched = shell("jobs", "show", "running", "--watch")
    assert "Completed" in watched.stdout
    assert shell.json("jobs", "show", "running", "--watch")["live"] is None


def test_the_report_of_a_job_that_was_profiled(profiled: tuple[Shell, Answer], tmp_path: Path) -> None:
    shell, job = profiled
    folder = Path(job["directory"])
    said = shell.json("report", "slow")
    assert said["report"] == said["profile"] == str(
        folder / "rule-output" / "ProfilerReport" / "profiler-output" / "profiler-report.html"
    )
    (tmp_path / "plain.py").write_text("import time; time.sleep(5)\n")
    plain = shell.json("train", "--entry-point", tmp_path / "plain.py", "--name", "reported")
    said = shell.json("report", "reported", "--profile")
    assert said["report"] == str(Path(plain["directory"]) / "profiler.html")
    assert "No steps were recorded" in Path(said["report"]).read_text()
    shell("train", "--entry-point", tmp_path / "plain.py", "--name", "unmeasured", "--profiler-interval", "0")
    assert "was not profiled" in shell("report", "unmeasured", "--profile", code=2).stderr
    assert shell.json("report", "unmeasured")["profile"] is None


TWO_RANKS = """
import os, time
import torch
import torch.distributed as dist
from torch import nn

dist.init_process_group("gloo")
torch.set_num_threads(1)
net = nn.parallel.DistributedDataParallel(nn.Linear(8, 2))
if dist.get_rank() == 1:
    net.module.register_forward_hook(lambda *_: time.sleep(0.03))
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(40):
    optimizer.zero_grad()
    nn.CrossEntropyLoss()(net(torch.zeros(4, 8)), torch.zeros(4).long()).backward()
    optimizer.step()
dist.destroy_process_group()
"""


def test_two_ranks_are_aligned_and_the_slow_one_is_named(profiled: tuple[Shell, Answer], tmp_path: Path) -> None:
    shell, _ = profiled
    (tmp_path / "ddp.py").write_text(TWO_RANKS)
    asked = ("--instance-count", "2", "--rule", "LoadBalancing", "--profiler-interval", "100")
    job = shell.json("train", "--entry-point", tmp_path / "ddp.py", "--name", "ranks", *asked)
    (rule,) = job["rules"]
    assert rule["status"] == "IssuesFound", rule
    assert "1-algo-2" in rule["details"]
    profile = open_profile(Path(job["directory"]) / "profiler-output")
    assert profile.system().nodes == ("algo-1", "algo-2")
    found = profile.spans()
    assert set(found.nodes) == {"0-algo-1", "1-algo-2"}
    ends = [found.steps[found.steps["node"] == node] for node in range(2)]
    ends = [(one["start"] + one["duration"])[-20:] for one in ends]
    assert abs(float((ends[0] - ends[1]).mean())) < 0.03        # they meet in every step, on one clock
