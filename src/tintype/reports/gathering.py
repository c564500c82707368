"""From the evidence and the files of a run to its `RunReport`. All reading of files for a report is here.

A file that is not there, or does not hold what it should, makes its section `Missing` with the reason: a report
is also, and most of all, for runs that did not go as they should.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tintype.errors import NotFound, StorageFailed
from tintype.reports import marks
from tintype.reports.data_summary import sample_file, summarise
from tintype.reports.evidence import Model, RunEvidence, TrialEvidence, TuningEvidence
from tintype.reports.judging import calibration
from tintype.reports.objective import Objective
from tintype.reports.run_report import Curves, Missing, Reproduction, RunReport, Tuning
from tintype.storage import read_json


def gather(evidence: RunEvidence) -> RunReport:
    """Read the files of the run and say it all as one value. Never raises for what a run may lack."""
    album, data = evidence.album, evidence.training_directory / "output" / "data"
    evaluation = _document(data / "evaluation.json")
    judgement = evaluation if isinstance(evaluation, Missing) else marks.judge(evaluation, album.classes)
    split = "test" if isinstance(judgement, Missing) else judgement.split
    predictions = marks.read_predictions(data / f"predictions-{split}.npz", album)
    summary = summarise(evidence)
    unknown = isinstance(predictions, Missing)
    return RunReport(
        name=evidence.name,
        made_at=evidence.made_at,
        seconds=evidence.seconds,
        model=_model(evidence),
        hyperparameters=_hyperparameters(evidence.result),
        data=summary,
        tuning=gather_tuning(evidence.tuning),
        curves=_curves(_document(data / "history.json"), evidence.result),
        scores=() if isinstance(evaluation, Missing) else marks.scores(evaluation),
        judgement=judgement,
        mistakes=predictions if unknown else marks.mistakes(predictions, split, album, evidence.max_pixels),
        calibration=predictions if unknown else calibration(predictions, split),
        phases=tuple(evidence.phases.items()) or Missing("The phases of this run were not timed."),
        endpoint=evidence.endpoint or Missing("The model was not deployed."),
        profile=evidence.profile,
        reproduction=_reproduction(evidence),
        sample_file=sample_file(album, summary.quarantined),
    )


def _document(path: Path) -> Any | Missing:
    try:
        return read_json(path)
    except NotFound:
        return Missing(f"The training wrote no {path.name}: it did not get that far, or its files were removed.")
    except StorageFailed:
        return Missing(f"{path.name} is damaged, so what it said is lost.")


def _model(evidence: RunEvidence) -> Model:
    """The model, with the source of its weights as the archive's description has it."""
    description = _document(evidence.training_directory / "model" / "description.json")
    source = None if isinstance(description, Missing) else description.get("training", {}).get("weights")
    return replace(evidence.model, weights=str(source)) if source else evidence.model


def _hyperparameters(result: Mapping[str, Any]) -> Mapping[str, object] | Missing:
    return result.get("hyperparameters") or Missing("The training left no result, so what it used is not known.")


def gather_tuning(evidence: TuningEvidence | None) -> Tuning | Missing:
    """What a report says of a tuning job, or why it says nothing."""
    if evidence is None:
        return Missing("One model was trained, with given hyperparameters. --trials 8 would look for better ones.")
    if not evidence.trials:
        return Missing("The tuning job ended before its first trial began.")
    objective = Objective(evidence.objective, evidence.maximise)
    importance = evidence.importance or Missing(_sentence(evidence.importance_note or "it was not computed"))
    best = _best(evidence, objective)
    return Tuning(objective, evidence.strategy, evidence.ranges, evidence.trials, best, importance)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _best(evidence: TuningEvidence, objective: Objective) -> int | None:
    """The number of the best trial; of equal ones the earliest."""
    best: TrialEvidence | None = None
    for trial in sorted(evidence.trials, key=lambda one: one.number):
        if trial.score is not None and (best is None or objective.better(trial.score, best.score or 0.0)):
            best = trial
    return best.number if best else None


def _curves(history: Any | Missing, result: Mapping[str, Any]) -> Curves | Missing:
    """`history` is one entry per epoch with its "metrics"."""
    if isinstance(history, Missing):
        return history
    if not history:
        return Missing("The training ended before its first epoch did.")
    rows = [epoch["metrics"] for epoch in history]
    return Curves(_columns(rows, "loss"), _columns(rows, "accuracy"), result.get("best_epoch") or None)


def _columns(rows: Sequence[Mapping[str, Any]], metric: str) -> dict[str, tuple[float, ...]]:
    """Split -> the metric over the epochs. JSON's null, and an epoch without the metric, are NaN."""
    names = {split: f"{split}:{metric}" for split in ("train", "valid")}
    return {
        split: tuple(math.nan if row.get(name) is None else float(row[name]) for row in rows)
        for split, name in names.items()
        if any(name in row for row in rows)
    }


def _reproduction(evidence: RunEvidence) -> Reproduction:
    environment, archive = tuple(evidence.environment.items()), evidence.result.get("archive")
    return Reproduction(evidence.command, evidence.seed, environment, archive)
