from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.debugger.modes import Mode
from tintype.rules.rule import Profile
from tintype.rules.status import RuleStatus

RULE = "CheckInputImages"
INPUT = "ResNet_input_0"
REDUCED = ("mean", "std", "min", "max")


def images(mean: float, deviation: float, seed: int = 0, count: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, deviation, (count, 3, 8, 8)).astype(np.float32)


def training(folder: Path, mean: float, deviation: float, reduced: tuple[str, ...] = (), steps: int = 10) -> Log:
    log = Log(folder)
    for step in range(steps):
        log.add({INPUT: images(mean, deviation, step)}, reduced=reduced)
    return log


@pytest.mark.parametrize("reduced", [(), REDUCED])
@pytest.mark.parametrize(("mean", "deviation"), [(110.0, 60.0), (0.45, 0.28), (-2.0, 4.4), (0.0, 0.01)])
def test_fires_for_images_that_are_not_normalised(
    tmp_path: Path, mean: float, deviation: float, reduced: tuple[str, ...]
) -> None:
    run = training(tmp_path, mean, deviation, reduced).judge(RULE)
    assert run.state.status is RuleStatus.ISSUES_FOUND
    assert run.findings[0].tensor == INPUT


@pytest.mark.parametrize("reduced", [(), REDUCED])
@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (-0.4, 1.1), (0.3, 0.8)])
def test_normalised_images_pass(tmp_path: Path, mean: float, deviation: float, reduced: tuple[str, ...]) -> None:
    run = training(tmp_path, mean, deviation, reduced).judge(RULE)
    assert run.state.status is RuleStatus.NO_ISSUES_FOUND
    assert run.state.evaluated


def test_one_channel_is_enough(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in range(10):
        batch = images(0, 1, step)
        batch[:, 2] += 3
        log.add({INPUT: batch})
    assert log.judge(RULE).findings[0].message.startswith("the mean of channel 2 is 3")


def test_black_images(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(4):
        log.add({INPUT: np.zeros((16, 1, 8, 8), np.float32)}, reduced=REDUCED)
    assert log.judge(RULE).findings[0].message == "all pixels of 64 images are 0"


def test_the_same_image_everywhere(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(4):
        log.add({INPUT: np.repeat(images(0, 1, count=1), 16, axis=0)})
    assert "the same image" in log.judge(RULE).findings[0].message


def test_validation_prepared_otherwise(tmp_path: Path) -> None:
    log = training(tmp_path, 0.0, 1.0, REDUCED)
    for step in range(3):
        log.add({INPUT: images(100, 60, step)}, Mode.EVAL, reduced=REDUCED)
    log.add({INPUT: images(0, 1)}, reduced=REDUCED)
    assert log.judge(RULE).findings[0].message.startswith("images of validation have a mean of")


def test_too_few_images(tmp_path: Path) -> None:
    run = training(tmp_path, 110, 60, steps=2).judge(RULE)
    assert not run.state.evaluated
    assert run.state.details.endswith("and 2 were saved")


def test_sagemakers_default_expression_finds_nothing_in_pytorch(tmp_path: Path) -> None:
    log = training(tmp_path, 110, 60)
    assert not log.judge(RULE, Profile.SAGEMAKER).state.evaluated


def test_sagemakers_profile_takes_dark_images_for_a_fault(tmp_path: Path) -> None:
    run = training(tmp_path, -0.4, 1.1).judge(RULE, Profile.SAGEMAKER, regex=INPUT)
    assert run.state.first_step == 7                # 512 images


@pytest.mark.parametrize(("blank", "fires"), [(16, True), (2, False)])
def test_images_of_one_colour(tmp_path: Path, blank: int, fires: bool) -> None:
    log = Log(tmp_path)
    for step in range(10):
        batch = images(0, 1, step)
        batch[:blank] = -0.5
        log.add({INPUT: batch})
    assert bool(log.judge(RULE).findings) is fires
