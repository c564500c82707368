from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tintype.reports.evidence import RunEvidence, TrialState
from tintype.reports.gathering import gather
from tintype.reports.run_report import Calibration, Curves, Judgement, Missing, Mistakes, Tuning

Stage = Callable[..., RunEvidence]


def outputs(evidence: RunEvidence) -> Path:
    return evidence.training_directory / "output" / "data"


def test_a_whole_run(stage: Stage) -> None:
    report = gather(stage())
    assert isinstance(report.tuning, Tuning)
    assert isinstance(report.curves, Curves)
    assert isinstance(report.judgement, Judgement)
    assert isinstance(report.mistakes, Mistakes)
    assert isinstance(report.calibration, Calibration)
    assert report.judgement.split == "test"
    assert report.data.counts == {"train": (4, 2), "valid": (1, 2), "test": (1, 2)}
    assert report.data.images == 12
    assert report.curves.epochs == 4
    assert report.headline is not None
    assert report.headline.images == 3


def test_quarantined_files_are_not_counted_and_not_shown(stage: Stage) -> None:
    evidence = stage()
    bad = evidence.album.paths[0]
    report = gather(replace(evidence, result={"quarantined": [{"path": bad, "reason": "truncated"}]}))
    assert report.data.images == 11
    assert report.data.quarantined[0].reason == "truncated"
    assert not isinstance(report.data.samples, Missing)
    assert bad not in [picture.file for sample in report.data.samples for picture in sample.pictures]
    assert not report.sample_file.endswith(bad)


def test_the_best_trial_is_the_best_finite_one(stage: Stage) -> None:
    evidence = stage(trials=5)
    assert evidence.tuning is not None
    trials = list(evidence.tuning.trials)
    trials[1] = replace(trials[1], value=float("nan"))
    trials[2] = replace(trials[2], value=0.999)
    trials[3] = replace(trials[3], value=0.999)
    for maximise, best in ((True, 3), (False, min(trials, key=lambda one: one.score or 9).number)):
        searched = replace(evidence.tuning, trials=tuple(trials), maximise=maximise)
        tuning = gather(replace(evidence, tuning=searched)).tuning
        assert isinstance(tuning, Tuning)
        assert tuning.best == best
    failed = tuple(replace(one, value=None, state=TrialState.FAILED) for one in trials)
    tuning = gather(replace(evidence, tuning=replace(evidence.tuning, trials=failed))).tuning
    assert isinstance(tuning, Tuning)
    assert tuning.best is None


def test_without_a_test_split_the_validation_split_is_judged(stage: Stage) -> None:
    report = gather(stage(judged=("valid",)))
    assert isinstance(report.judgement, Judgement)
    assert report.judgement.split == "valid"
    assert isinstance(report.mistakes, Mistakes)
    assert report.mistakes.split == "valid"


@pytest.mark.parametrize("name", ["history.json", "evaluation.json", "predictions-test.npz"])
@pytest.mark.parametrize("content", [None, b"", b"{half", b"PK\x03\x04nonsense"])
def test_files_that_are_not_there_or_not_whole_say_so(stage: Stage, name: str, content: bytes | None) -> None:
    evidence = stage()
    path = outputs(evidence) / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    report = gather(evidence)
    section = {"h": report.curves, "e": report.judgement, "p": report.calibration}[name[0]]
    assert isinstance(section, Missing)
    assert len(section.reason) > 20


def test_a_training_that_left_nothing(stage: Stage, tmp_path: Path) -> None:
    evidence = replace(stage(), training_directory=tmp_path / "nowhere", result={}, tuning=None, check=None, phases={})
    report = gather(replace(evidence, endpoint=None))
    sections = (report.curves, report.judgement, report.mistakes, report.calibration, report.tuning, report.phases)
    assert all(isinstance(one, Missing) for one in (*sections, report.endpoint, report.hyperparameters))
    assert isinstance(report.data.problems, Missing)
    assert report.scores == ()
    assert report.headline is None


def test_null_in_the_history_is_nan(stage: Stage) -> None:
    evidence = stage(epochs=2)
    rows = [{"epoch": 1, "metrics": {"train:loss": 1.0}}, {"epoch": 2, "metrics": {"train:loss": None}}]
    (outputs(evidence) / "history.json").write_text(json.dumps(rows))
    curves = gather(evidence).curves
    assert isinstance(curves, Curves)
    assert curves.loss["train"][0] == 1.0
    assert np.isnan(curves.loss["train"][1])
    assert curves.accuracy == {}


def test_a_data_set_that_has_changed_since(stage: Stage) -> None:
    evidence = stage()
    album = evidence.album
    fewer = replace(album, paths=album.paths[:2], labels=album.labels[:2], splits=album.splits[:2])
    assert isinstance(gather(replace(evidence, album=fewer)).mistakes, Missing)
    judgement = gather(replace(evidence, album=replace(album, classes=("a", "b", "c")))).judgement
    assert isinstance(judgement, Missing)
    assert "3 now" in judgement.reason


def test_images_that_are_gone_leave_their_place_empty(stage: Stage) -> None:
    evidence = stage(accuracy=0.0)
    for path in evidence.album.paths:
        (evidence.album.root / path).unlink()
    report = gather(evidence)
    assert isinstance(report.data.samples, Missing)
    assert isinstance(report.mistakes, Mistakes)
    assert report.mistakes.shown
    assert all(one.picture is None for one in report.mistakes.shown)


def test_the_source_of_the_weights_is_in_the_archive(stage: Stage) -> None:
    evidence = stage()
    model = evidence.training_directory / "model"
    model.mkdir()
    (model / "description.json").write_text(json.dumps({"training": {"weights": "the hub's cache"}}))
    assert gather(evidence).model.weights == "the hub's cache"


def test_problems_have_pictures_of_what_can_be_seen(stage: Stage) -> None:
    problems = gather(stage()).data.problems
    assert not isinstance(problems, Missing)
    gone, twice, rotated = problems
    assert gone.pictures == rotated.pictures == ()
    assert [[picture.file for picture in group] for group in twice.pictures] == [["class-0/0.jpg", "class-0/1.jpg"]]
    assert twice.details == ("class-0/0.jpg = class-0/1.jpg",)


def test_what_the_check_measured(stage: Stage) -> None:
    assert gather(stage()).data.facts == (
        ("Pixels", "40 (30 to 90) wide, 30 high"),
        ("File size", "109 kB (700 bytes to 2.1 MB)"),
        ("Formats", "11 JPEG, 1 PNG"),
    )
    assert gather(stage(check=None)).data.facts == ()
