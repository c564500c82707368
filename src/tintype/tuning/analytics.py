"""A tuning job as a table: one row a trial, with the columns of SageMaker's `HyperparameterTuningJobAnalytics`.

The tuned hyperparameters come first, then TrainingJobName, TrainingJobStatus, FinalObjectiveValue, TrainingStartTime,
TrainingEndTime and TrainingElapsedTimeSeconds. Numbers are numbers, also where SageMaker has them in quotes. Times are
in UTC. What is not known (the value of a trial that failed, the end of one that runs) is None, and empty in CSV.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tintype.errors import InvalidRequest
from tintype.tuning.ranges import Value
from tintype.tuning.state import TuningState
from tintype.tuning.trial import Trial, TrialStatus

if TYPE_CHECKING:
    from pandas import DataFrame

Cell = str | int | float | bool | datetime | None

OWN_COLUMNS = (
    "TrainingJobName",
    "TrainingJobStatus",
    "FinalObjectiveValue",
    "TrainingStartTime",
    "TrainingEndTime",
    "TrainingElapsedTimeSeconds",
)


def columns(state: TuningState) -> tuple[str, ...]:
    """The names of the columns, in their order."""
    return (*state.settings.space.names, *OWN_COLUMNS)


def rows(state: TuningState) -> list[dict[str, Cell]]:
    """One row a trial, by number; every row has every column."""
    return [_row(trial, state.settings.space.names) for trial in state.trials]


def as_csv(state: TuningState) -> bytes:
    """The table as CSV, UTF-8; times in ISO 8601."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns(state), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _written(cell) for name, cell in row.items()} for row in rows(state))
    return text.getvalue().encode()


def dataframe(state: TuningState) -> DataFrame:
    """The table as a pandas data frame. `InvalidRequest` when pandas, which Tintype does not need, is not there."""
    try:
        import pandas
    except ImportError as error:
        raise InvalidRequest("a data frame needs pandas; `pip install pandas`, or export as CSV") from error
    return pandas.DataFrame(rows(state), columns=list(columns(state)))


def final_objective(trial: Trial) -> float | None:
    """The value that counts; of a trial that was stopped the one it had by then. None when there is none."""
    if trial.value is None and trial.status is TrialStatus.STOPPED and trial.history:
        return trial.history[-1][1]
    return trial.value


def plain(value: Value) -> Value:
    """A hyperparameter without SageMaker's quotes: `'"32"'` is 32, and so is "32"."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
        found = json.loads(found) if isinstance(found, str) else found
    except ValueError:
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return found if isinstance(found, int | float) else value


def _row(trial: Trial, tuned: tuple[str, ...]) -> dict[str, Cell]:
    seconds = None if trial.ended_at is None else trial.ended_at - trial.started_at
    return {
        **_tuned(trial.hyperparameters, tuned),
        "TrainingJobName": trial.name,
        "TrainingJobStatus": trial.status.value,
        "FinalObjectiveValue": final_objective(trial),
        "TrainingStartTime": _moment(trial.started_at),
        "TrainingEndTime": _moment(trial.ended_at),
        "TrainingElapsedTimeSeconds": seconds,
    }


def _tuned(hyperparameters: Mapping[str, Value], names: tuple[str, ...]) -> dict[str, Cell]:
    return {name: plain(hyperparameters[name]) for name in names}


def _moment(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at else None


def _written(cell: Cell) -> Any:
    return cell.isoformat() if isinstance(cell, datetime) else cell
