"""A script that mentions no debugger, watched by rules; what `tintype debug` says of it, and what --fix does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import Answer, Shell

SCRIPT = '''
import argparse, os
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
given = parser.parse_args()
torch.set_num_threads(1)
torch.manual_seed(0)
labels = torch.arange(192) % 3
images = torch.randn(192, 3, 8, 8) + labels[:, None, None, None]
model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3))
criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=given.lr)
for epoch in range(given.epochs):
    model.train()
    for at in range(0, 192, 16):
        optimizer.zero_grad()
        loss = criterion(model(images[at:at + 16]), labels[at:at + 16])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(f"Test set: Average loss: {criterion(model(images[:48]), labels[:48]).item():.4f}")
torch.save(model.state_dict(), os.path.join(given.model_dir, "model.pth"))
'''


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Answer]:
    shell = Shell(tmp_path_factory.mktemp("home"))
    script = tmp_path_factory.mktemp("scripts") / "train.py"
    script.write_text(SCRIPT)
    words = ["--metric", "test loss=Average loss: ([0-9.]+)", "--rule", "LossNotDecreasing", "--rule", "DeadRelu"]
    return shell, shell.json("train", "--entry-point", script, "--name", "slow", "-p", "lr=0.00000001", *words)


def test_the_job_says_what_its_rules_found(watched: tuple[Shell, Answer]) -> None:
    _, job = watched
    rules = {one["name"]: one for one in job["rules"]}
    assert job["status"] == "Completed"
    assert rules["LossNotDecreasing"]["status"] == "IssuesFound"
    assert rules["DeadRelu"]["status"] == "NoIssuesFound"
    assert rules["DeadRelu"]["evaluated"]
    assert job["metrics"]["test loss"]["count"] == 12


def test_debug_shows_findings_with_a_remedy_and_the_losses(watched: tuple[Shell, Answer]) -> None:
    shell, _ = watched
    seen = shell.json("debug", "slow")
    (finding, *_) = next(one for one in seen["rules"] if one["name"] == "LossNotDecreasing")["findings"]
    assert float(finding["remedy"]["hyperparameters"]["lr"]) > 1e-8
    assert {(one["name"], one["mode"]) for one in seen["tensors"]} == {
        ("CrossEntropyLoss_output_0", "TRAIN"),
        ("CrossEntropyLoss_output_0", "EVAL"),
    }
    assert Path(seen["page"]).read_text().count("LossNotDecreasing") > 1
    assert "LossNotDecreasing" in shell("debug", "slow", "--tensor", "relu").stdout
    assert "no tensor of the log matches 'nosuch'" in shell("debug", "slow", "--tensor", "nosuch").stdout


def test_fix_trains_again_with_what_the_finding_proposes(watched: tuple[Shell, Answer]) -> None:
    shell, _ = watched
    fix = shell.json("debug", "slow", "--fix", "--name", "better")["fix"]
    assert list(fix["changes"]) == ["lr"]
    assert shell.json("jobs", "show", "better")["hyperparameters"]["lr"] == float(fix["changes"]["lr"])
    assert {"what", "before", "after"} == set(fix["comparison"][0])


def test_a_job_that_nobody_watched_says_how_to(watched: tuple[Shell, Answer], tmp_path: Path) -> None:
    shell, _ = watched
    (tmp_path / "plain.py").write_text("print('done')\n")
    shell("train", "--entry-point", tmp_path / "plain.py", "--name", "plain")
    assert "--rule" in shell("debug", "plain", code=2).stderr
    assert "there is no rule" in shell("train", "--entry-point", tmp_path / "plain.py", "--rule", "X", code=2).stderr
