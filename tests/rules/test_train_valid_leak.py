"""TrainValidLeak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rules.logs import Log
from tintype.debugger.modes import Mode
from tintype.debugger.samples import FINGERPRINTS, IDS
from tintype.rules.train_valid_leak import found_in

RNG = np.random.default_rng(0)
TRAINED = RNG.normal(0, 3, (400, 4)).astype(np.float32)
NEW = RNG.normal(0, 3, (100, 4)).astype(np.float32)


def epochs(folder: Path, valid: np.ndarray, trained: np.ndarray = TRAINED) -> Log:
    log = Log(folder)
    for _ in range(2):
        for batch in np.array_split(RNG.permutation(trained), 10):
            log.add({FINGERPRINTS: batch})
        for number, batch in enumerate(np.array_split(valid, 4)):
            names = np.array([f"valid/{number}-{one}.jpg" for one in range(len(batch))])
            log.add({FINGERPRINTS: batch, IDS: names}, Mode.EVAL)
    return log


def test_copies_are_found_and_named(tmp_path: Path) -> None:
    valid = NEW.copy()
    valid[[3, 50, 51, 99]] = TRAINED[[0, 10, 20, 399]]
    run = epochs(tmp_path, valid).judge("TrainValidLeak")
    assert len(run.findings) == 1
    assert run.findings[0].measured == 0.04
    assert run.findings[0].samples == ("valid/0-3.jpg", "valid/2-0.jpg", "valid/2-1.jpg", "valid/3-24.jpg")


def test_the_training_split_may_be_judged_beside_the_other(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(2):
        for split, mode in ((TRAINED, Mode.TRAIN), (TRAINED, Mode.EVAL), (NEW, Mode.EVAL)):
            for batch in np.array_split(split, 5):
                log.add({FINGERPRINTS: batch}, mode)
    run = log.judge("TrainValidLeak")
    assert not run.findings
    assert run.state.evaluated


def test_the_training_split_alone_is_no_validation(tmp_path: Path) -> None:
    assert epochs(tmp_path, TRAINED).judge("TrainValidLeak").findings


def test_rounding_does_not_hide_a_copy(tmp_path: Path) -> None:
    assert epochs(tmp_path, TRAINED[:100] * np.float32(1 + 1e-6)).judge("TrainValidLeak").findings


def test_other_images_and_a_single_copy_are_no_leak(tmp_path: Path) -> None:
    run = epochs(tmp_path / "none", NEW).judge("TrainValidLeak")
    assert not run.findings
    assert run.state.evaluated
    valid = NEW.copy()
    valid[7] = TRAINED[7]
    assert not epochs(tmp_path / "one", valid).judge("TrainValidLeak").findings


def test_the_same_paths_in_both_splits(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add({IDS: np.array([f"images/{one}.jpg" for one in range(20)])})
    log.add({IDS: np.array([f"images/{one}.jpg" for one in range(10, 30)])}, Mode.EVAL)
    run = log.judge("TrainValidLeak")
    assert len(run.findings) == 1
    assert run.findings[0].measured == 0.5
    assert run.findings[0].samples[0] == "images/10.jpg"


def test_equal_numbers_of_two_data_sets_are_not_the_same_images(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for mode in (Mode.TRAIN, Mode.EVAL):
        log.add({IDS: np.array([str(one) for one in range(20)])}, mode)
    run = log.judge("TrainValidLeak")
    assert not run.findings
    assert not run.state.evaluated


@pytest.mark.parametrize("trained", [np.full((50, 4), np.nan, np.float32), np.zeros((50, 4), np.float32)])
def test_broken_images_do_not_crash(tmp_path: Path, trained: np.ndarray) -> None:
    assert not epochs(tmp_path, NEW, trained).judge("TrainValidLeak").trace


def test_found_in() -> None:
    assert found_in(np.array([[1.0, 2], [5, 6], [1, 2.1]]), np.array([[1.0, 2], [3, 4], [1, 2.5]])).tolist() == [
        True, False, False,
    ]  # fmt: skip
