from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tintype.reports.concerns import concerns
from tintype.reports.evidence import HyperparameterRange, RunEvidence, TrialEvidence, TrialState
from tintype.reports.gathering import gather
from tintype.reports.objective import Objective
from tintype.reports.readings import (
    baseline,
    classes_reading,
    curves_reading,
    data_reading,
    judgement_reading,
    timing_reading,
    tuning_reading,
    verdict,
)
from tintype.reports.run_report import ClassScore, Curves, Judgement, Tuning

Stage = Callable[..., RunEvidence]


def trial(number: int, value: float | None, lr: float, state: TrialState = TrialState.COMPLETED) -> TrialEvidence:
    return TrialEvidence(number, f"t-{number}", {"lr": lr}, state, value, 0.0, 1.0)


def tuning(*trials: TrialEvidence, best: int | None) -> Tuning:
    ranges = (HyperparameterRange("lr", 0.001, 0.1, logarithmic=True),)
    return Tuning(Objective("valid:accuracy", maximise=True), "Random", ranges, trials, best)


def curves(train: list[float], valid: list[float], best: int | None) -> Curves:
    return Curves({"train": tuple(train), "valid": tuple(valid)}, {}, best)


def test_the_verdict_is_one_line(stage: Stage) -> None:
    report = gather(stage())
    assert verdict(report).startswith("resnet18 (frozen) · 2 classes · 12 images · test accuracy ")
    assert verdict(report).endswith(" · 13 s")
    assert "not evaluated" in verdict(gather(stage(judged=())))
    partly = replace(report, model=replace(report.model, freeze="2"))
    assert verdict(partly).startswith("resnet18 (frozen but for 2 last stages) · ")


def test_sizes_are_compared(stage: Stage) -> None:
    data = gather(stage()).data
    assert data_reading(data) == ("12 images: 6 to train on, 3 to choose by and 3 to judge on.",)
    uneven = replace(data, counts={"train": (30, 10)})
    assert "ants (30), 3.0 times as many; the smallest is bees (10)" in data_reading(uneven)[1]


def test_a_best_value_at_the_end_of_its_range_is_said() -> None:
    trials = [trial(n, 0.5 + n / 100, lr) for n, lr in enumerate((0.001, 0.01, 0.03, 0.1), start=1)]
    words = " ".join(tuning_reading(tuning(*trials, best=4)))
    assert "Trial 4 is the best of 4: validation accuracy 54.0%." in words
    assert "at the end of its range for lr = 0.1" in words
    assert "end of its range" not in " ".join(tuning_reading(tuning(*trials, best=2)))


def test_failed_and_stopped_trials_are_counted() -> None:
    states = (trial(1, 0.5, 0.01), trial(2, None, 0.01, TrialState.FAILED), trial(3, 0.4, 0.01, TrialState.STOPPED))
    words = " ".join(tuning_reading(tuning(*states, best=1)))
    assert "1 trial failed" in words
    assert "1 trial was stopped early" in words
    assert tuning_reading(tuning(trial(1, math.nan, 0.1), best=None)) == ("No trial ended with a value.",)
    assert tuning_reading(tuning(trial(1, 0.5, 0.1), best=1)) == ("One trial, with validation accuracy 50.0%.",)


def test_what_curves_show() -> None:
    assert "more epochs may help" in " ".join(curves_reading(curves([3, 2, 1], [3, 2, 1], 3)))
    assert "rises after epoch 2" in " ".join(curves_reading(curves([3, 2, 1], [3, 1, 2], 2)))
    assert "not a number from epoch 2 on" in " ".join(curves_reading(curves([3, math.nan], [3, math.nan], 1)))
    assert curves_reading(curves([1], [1], 1)) == ()
    gap = replace(curves([1], [1], None), accuracy={"train": (0.99,), "valid": (0.7,)})
    assert "29 points" in " ".join(curves_reading(gap))


def test_confusions_and_weak_classes() -> None:
    weak, strong = ClassScore("a", 0.5, 0.5, 0.5, 4), ClassScore("b", 0.9, 0.9, 0.9, 4)
    scores = (weak, strong, ClassScore("c", None, None, None, 0))
    judgement = Judgement("test", np.array([[2, 2, 0], [1, 3, 0], [0, 0, 0]]), scores)
    assert judgement_reading(judgement) == ("Most often confused: a taken for b (2 times) and b taken for a (once).",)
    assert classes_reading(judgement)[0] == "The weakest class is a, with an F1 of 50.0%."
    assert "1 class has no image" in classes_reading(judgement)[1]
    assert baseline(judgement) == 0.5
    perfect = Judgement("test", np.diag([4, 4]), scores[:2])
    assert "confused with another class" in judgement_reading(perfect)[0]
    assert baseline(Judgement("test", np.zeros((2, 2), dtype=np.int64), scores[:2])) is None


def test_where_the_time_went() -> None:
    assert "“train”: 9.0 s, 90%" in timing_reading((("decode", 1.0), ("train", 9.0)))[0]
    assert timing_reading((("train", 9.0),)) == ()


def test_concerns_are_sorted_and_lead_to_their_section(stage: Stage) -> None:
    found = concerns(gather(stage(judged=("valid",))))
    serious = [one.serious for one in found]
    assert serious == sorted(serious, reverse=True)
    words = " | ".join(one.words for one in found)
    assert "The same file in two splits (2)" in words
    assert "No test split" in words
    assert "Judged on 3 images only" in words
    assert "1 file left out" in words
    assert "upright" not in words                           # a mere note
    assert {one.section for one in found} <= {"data", "confusion", "curves", "calibration"}


def test_a_model_no_better_than_guessing_is_a_serious_concern(stage: Stage) -> None:
    found = concerns(gather(stage(accuracy=0.0)))
    assert any("always naming the largest class" in one.words and one.serious for one in found)


def test_a_lost_loss_and_overfitting_are_concerns(stage: Stage) -> None:
    report = gather(stage())
    bad = Curves({"train": (1.0, math.nan)}, {"train": (0.99,), "valid": (0.5,)}, None)
    words = " | ".join(one.words for one in concerns(replace(report, curves=bad)))
    assert "not a number" in words
    assert "49 points above" in words
