from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.debugger.modes import Mode
from tintype.errors import InvalidRequest
from tintype.rules.catalogue import make_rule
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

RULE = "ClassImbalance"
LABELS, SCORES = "CrossEntropyLoss_input_1", "CrossEntropyLoss_input_0"


def training(folder: Path, counts: list[int], *, classes: int = 0, batch: int = 50, mode: Mode = Mode.TRAIN) -> Log:
    """One epoch over as many images of each class as `counts` say, in random order."""
    log = Log(folder)
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    for start in range(0, len(labels), batch):
        part = labels[start : start + batch]
        log.add({LABELS: part, SCORES: np.zeros((len(part), classes or len(counts)), np.float32)}, mode)
    return log


@pytest.mark.parametrize(
    ("counts", "classes", "rare"), [([950, 10, 900], 0, [1]), ([400, 0, 400], 0, [1]), ([500, 500], 3, [2])]
)
def test_fires(tmp_path: Path, counts: list[int], classes: int, rare: list[int]) -> None:
    run = training(tmp_path, counts, classes=classes).judge(RULE)
    assert [finding.message.split()[1] for finding in run.findings] == [str(one) for one in rare]


@pytest.mark.parametrize("counts", [[300, 300], [600, 120, 300], [4] * 150])
def test_even_classes_or_many_small_ones_pass(tmp_path: Path, counts: list[int]) -> None:
    run = training(tmp_path, counts).judge(RULE)
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


@pytest.mark.parametrize(("counts", "mode"), [([90, 1], Mode.TRAIN), ([990, 10], Mode.EVAL)])
def test_too_few_labels_of_training(tmp_path: Path, counts: list[int], mode: Mode) -> None:
    assert not training(tmp_path, counts, mode=mode).judge(RULE).state.evaluated


def test_a_short_training_is_judged_at_its_end(tmp_path: Path) -> None:
    assert training(tmp_path / "uneven", [300, 4]).judge(RULE).findings
    run = training(tmp_path / "even", [60, 50]).judge(RULE)
    assert not run.findings
    assert run.state.evaluated


@pytest.mark.parametrize("profile", Profile)
def test_what_sagemakers_test_pinned(tmp_path: Path, profile: Profile) -> None:
    log = Log(tmp_path)
    log.skip(3)
    log.add({"labels_0": np.repeat([0, 1], [990, 10])})
    run = log.judge(RULE, profile, labels_regex="labels_0", predictions_regex="labels_0")
    assert run.state.first_step == 3


def test_sagemakers_profile_counts_mispredictions_from_the_first_step(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"labels": np.arange(600) % 2, "predictions": np.zeros(600, np.int64)})
    run = log.judge(RULE, Profile.SAGEMAKER)
    assert run.findings[0].message == "100 % of class 1 are mispredicted"
    assert log.read().steps() == [0]
    assert Log(tmp_path / "right").judge(RULE).state.findings == 0


def test_ignored_labels_do_not_count(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({"labels": np.repeat([-100, 0, 1], [5000, 300, 300])})
    assert log.judge(RULE).state.status is RuleStatus.NO_ISSUES_FOUND


def test_parameters_are_checked() -> None:
    with pytest.raises(InvalidRequest, match="threshold_misprediction must be a number from 0 to 1, got 70"):
        make_rule(RULE, {"threshold_misprediction": "70"})
